"""The public surface is stable: what exists keeps its name and its parameters; new ones are optional keywords."""

from inspect import Parameter, Signature, signature
from typing import Any

import pytest

import app.db
import app.db.errors
import app.db.models
import app.repositories
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

NAMES = {
    app.db: "Database DatabaseSettings",
    app.db.models: """
        Task TaskCreate TaskUpdate TaskRead Conversation ConversationRead Message MessageCreate MessageRead Role
    """,
    app.repositories: "TaskRepo ConversationRepo MessageRepo Page",
    app.db.errors: "DataAccessError NotFoundError MissingReferenceError PoolTimeoutError OutcomeUnknownError",
}
METHODS = {
    TaskRepo: """
        create(user_id, data, *, idempotency_key=None)
        get(user_id, id)
        get_or_none(user_id, id)
        list_page(user_id, *, completed=None, limit=50, after=None)
        update(user_id, id, data, *, expected_updated_at=None)
        delete(user_id, id)
        count(user_id, *, completed=None)
    """,
    ConversationRepo: """
        create(user_id, *, idempotency_key=None)
        get(user_id, id)
        get_or_none(user_id, id)
        list_page(user_id, *, limit=50, after=None)
        delete(user_id, id)
        count(user_id)
    """,
    MessageRepo: """
        append(user_id, conversation_id, data, *, idempotency_key=None)
        append_with_history(user_id, conversation_id, data, *, limit=50, idempotency_key=None)
        append_many(user_id, conversation_id, data)
        appended_with(user_id, idempotency_key)
        latest(user_id, conversation_id, *, limit=50)
        list_page(user_id, conversation_id, *, limit=50, after=None, before=None)
        stream(user_id, conversation_id)
    """,
}
LINES = [(repository, line.strip()) for repository, lines in METHODS.items() for line in lines.strip().splitlines()]


@pytest.mark.parametrize("module", NAMES, ids=lambda module: module.__name__)
def test_every_public_name_is_exported(module: Any) -> None:
    """Where a module lists what it exports, the name is in the list."""
    names = NAMES[module].split()
    assert [name for name in names if not hasattr(module, name)] == []
    assert set(names) <= set(getattr(module, "__all__", names))


@pytest.mark.parametrize(("repository", "line"), LINES, ids=[f"{one.__name__}.{line}" for one, line in LINES])
def test_a_call_that_worked_still_works(repository: type, line: str) -> None:
    """Positions, names and defaults are as they were."""
    name, _, promised = line.partition("(")
    assert _promised(f"({promised}") == _old_part(signature(getattr(repository, name)), _promised(f"({promised}"))


def _promised(text: str) -> list[tuple[str, Any, Any]]:
    parameters: dict[str, Any] = {}
    exec(f"def call{text}: ...", parameters)
    return _parts(signature(parameters["call"]))


def _old_part(found: Signature, promised: list[tuple[str, Any, Any]]) -> list[tuple[str, Any, Any]]:
    """Return the method's parameters without `self` and without optional keywords that were added."""
    names = {name for name, _, _ in promised}
    return [
        (name, kind, default)
        for name, kind, default in _parts(found)[1:]
        if name in names or kind is not Parameter.KEYWORD_ONLY or default is Parameter.empty
    ]


def _parts(found: Signature) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in found.parameters.values()]
