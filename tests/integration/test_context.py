"""Histories that are bounded in characters, for a model's context."""

import random
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db import Database
from app.db.errors import InvalidInputError
from app.db.models import MessageCreate, MessageRead, Role
from app.doctor.measuring.explain import explain
from app.doctor.measuring.recorder import Recorder
from app.repositories import ConversationRepo, MessageRepo

HI: Final = MessageCreate(role=Role.USER, content="hi")
said = st.builds(MessageCreate, role=st.sampled_from(Role), content=st.text(alphabet="aä€😀", min_size=0, max_size=8))


def in_context(messages: list[MessageRead], limit: int, max_characters: int | None) -> list[MessageRead]:
    """Return what the last messages come to by the words of `MessageRepo.latest`."""
    for begin in range(len(messages)):
        part = messages[begin:]
        whole = begin == 0 or part[0].role is Role.USER or max_characters is None
        fits = max_characters is None or sum(len(message.content) for message in part) <= max_characters
        if whole and fits and len(part) <= limit:
            return part
    return messages[-1:]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(said, max_size=12),
    said,
    st.integers(1, 14),
    st.none() | st.integers(1, 60) | st.just(2_000_000),
    st.sampled_from(["plain", "keyed"]),
    st.sampled_from(["database", "session"]),
)
async def test_a_history_is_what_fits_and_cuts_no_turn_where_characters_bound_it(
    db: Database,
    user_id: str,
    before: list[MessageCreate],
    new: MessageCreate,
    limit: int,
    max_characters: int | None,
    how: str,
    where: str,
) -> None:
    """Of `append_with_history` and of `latest`, compared with what is computed here from all messages."""
    conversation = await ConversationRepo(db).create(user_id)
    place = (user_id, conversation.id)
    if before:
        await MessageRepo(db).append_many(*place, before)
    key = uuid4() if how == "keyed" else None
    bounds: Any = {"limit": limit, "max_characters": max_characters}
    if where == "session":
        async with db.transaction() as session:
            history = await MessageRepo(session).append_with_history(*place, new, idempotency_key=key, **bounds)
    else:
        history = await MessageRepo(db).append_with_history(*place, new, idempotency_key=key, **bounds)
    everything = await MessageRepo(db).latest(*place, limit=100)
    assert history == in_context(everything, limit, max_characters)
    assert history == await MessageRepo(db).latest(*place, **bounds)
    if key:
        assert history == await MessageRepo(db).append_with_history(*place, new, idempotency_key=key, **bounds)


async def test_a_text_that_cannot_fit_is_not_read(db: Database, user_id: str) -> None:
    """Its bytes are known where it lies: 40 long messages cost no more than short ones."""
    conversation, long = await ConversationRepo(db).create(user_id), random.Random(14).randbytes(200_000).hex()
    place = (user_id, conversation.id)
    said = [MessageCreate(role=Role.USER, content=long)] * 40
    await MessageRepo(db).append_many(*place, said)
    async with db.transaction() as session:
        recorder = Recorder(session)
        await MessageRepo(recorder).latest(*place, max_characters=10)
        await MessageRepo(recorder).append_with_history(*place, HI, max_characters=10)
        await MessageRepo(recorder).append_with_history(*place, HI, max_characters=10, idempotency_key=uuid4())
    async with db.engine.connect() as connection:
        for query, parameters in recorder.ran:
            plan = await explain(connection, query.statement, parameters, analyze=True)
            assert plan.buffers is not None
            assert plan.buffers < 100  # one such text is in 50
            await connection.rollback()


@pytest.mark.parametrize("characters", [0, -1, 2_000_001, True, 1.5, "9"])
async def test_an_impossible_bound_is_refused(db: Database, user_id: str, characters: int) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInputError, match="max_characters must be between 1 and 2,000,000"):
        await MessageRepo(db).append_with_history(user_id, 1, HI, max_characters=characters)
    with pytest.raises(InvalidInputError, match="max_characters must be between 1 and 2,000,000"):
        await MessageRepo(db).latest(user_id, 1, max_characters=characters)
