"""No user sees or changes another user's row: random calls of several users against a plain Python model."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule, run_state_machine_as_test

from app.db import Database
from app.db.errors import MissingReferenceError, NotFoundError
from app.db.models import ConversationRead, MessageCreate, MessageRead, TaskCreate, TaskRead, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

USERS = st.integers(0, 2)
LIMIT = st.integers(1, 5)
TITLE = st.sampled_from(["milk", "bread", "eggs"])


class Users(RuleBasedStateMachine):
    """Three users who know each other's ids; `self.tasks` and the like hold what each may see."""

    task_ids, conversation_ids = Bundle("task_ids"), Bundle("conversation_ids")

    def __init__(self, db: Database, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.task_repo, self.conversation_repo, self.message_repo = TaskRepo(db), ConversationRepo(db), MessageRepo(db)
        self.names = [f"user-{uuid4().hex}" for _ in range(3)]
        self.tasks: dict[int, TaskRead] = {}
        self.conversations: dict[int, ConversationRead] = {}
        self.messages: dict[int, list[MessageRead]] = {}

    def run(self, call: Awaitable[Any]) -> Any:
        """Wait for a call."""
        return self.loop.run_until_complete(call)

    def pages(self, list_page: Callable[..., Awaitable[Any]], *arguments: Any, **more: Any) -> list[Any]:
        """Return the rows of all pages."""
        page = self.run(list_page(*arguments, **more))
        seen = list(page.items)
        while page.next_cursor:
            page = self.run(list_page(*arguments, after=page.next_cursor, **more))
            seen += page.items
        return seen

    def refused(self, call: Awaitable[Any], error: type[Exception]) -> None:
        """Check that a call finds nothing."""
        with pytest.raises(error):
            self.run(call)

    def own(self, rows: dict[int, Any], user: int, id: int) -> Any:  # noqa: A002 - as the column is called
        """Return the row if it is there and the user's."""
        row = rows.get(id)
        return row if row and row.user_id == self.names[user] else None

    def all_of(self, rows: dict[int, Any], user: int) -> list[Any]:
        """Return the user's rows, newest first."""
        return [row for _, row in sorted(rows.items(), reverse=True) if row.user_id == self.names[user]]

    @rule(target=task_ids, user=USERS, title=TITLE, completed=st.booleans())
    def create_task(self, user: int, title: str, *, completed: bool) -> int:
        """Let any user create one."""
        task = self.run(self.task_repo.create(self.names[user], TaskCreate(title=title, completed=completed)))
        self.tasks[task.id] = task
        return int(task.id)

    @rule(user=USERS, id=task_ids)
    def get_task(self, user: int, id: int) -> None:  # noqa: A002
        """Check that only its owner finds it."""
        own = self.own(self.tasks, user, id)
        assert self.run(self.task_repo.get_or_none(self.names[user], id)) == own
        if own:
            assert self.run(self.task_repo.get(self.names[user], id)) == own
        else:
            self.refused(self.task_repo.get(self.names[user], id), NotFoundError)

    @rule(user=USERS, id=task_ids, title=TITLE, expecting=st.booleans())
    def update_task(self, user: int, id: int, title: str, *, expecting: bool) -> None:  # noqa: A002
        """Check that only its owner changes it, also when another user guesses the time of its last change."""
        task = self.tasks.get(id)
        expected = task.updated_at if task and expecting else None
        call = self.task_repo.update(self.names[user], id, TaskUpdate(title=title), expected_updated_at=expected)
        if own := self.own(self.tasks, user, id):
            changed = self.run(call)
            assert changed == own.model_copy(update={"title": title, "updated_at": changed.updated_at})
            self.tasks[id] = changed
        else:
            self.refused(call, NotFoundError)

    @rule(user=USERS, id=task_ids)
    def delete_task(self, user: int, id: int) -> None:  # noqa: A002
        """Check that only its owner deletes it."""
        if self.own(self.tasks, user, id):
            self.run(self.task_repo.delete(self.names[user], id))
            del self.tasks[id]
        else:
            self.refused(self.task_repo.delete(self.names[user], id), NotFoundError)

    @rule(user=USERS, completed=st.sampled_from([None, True, False]), limit=LIMIT)
    def list_tasks(self, user: int, limit: int, completed: bool | None) -> None:  # noqa: FBT001 - hypothesis names it
        """Check that a user sees only their own, page by page."""
        expected = [task for task in self.all_of(self.tasks, user) if completed in (None, task.completed)]
        assert self.pages(self.task_repo.list_page, self.names[user], completed=completed, limit=limit) == expected
        assert self.run(self.task_repo.count(self.names[user], completed=completed)) == len(expected)

    @rule(target=conversation_ids, user=USERS)
    def create_conversation(self, user: int) -> int:
        """Let any user create one."""
        conversation = self.run(self.conversation_repo.create(self.names[user]))
        self.conversations[conversation.id] = conversation
        self.messages[conversation.id] = []
        return int(conversation.id)

    @rule(user=USERS, id=conversation_ids)
    def get_conversation(self, user: int, id: int) -> None:  # noqa: A002
        """Check that only its owner finds it."""
        own = self.own(self.conversations, user, id)
        assert self.run(self.conversation_repo.get_or_none(self.names[user], id)) == own
        if own:
            assert self.run(self.conversation_repo.get(self.names[user], id)) == own
        else:
            self.refused(self.conversation_repo.get(self.names[user], id), NotFoundError)

    @rule(user=USERS, id=conversation_ids)
    def delete_conversation(self, user: int, id: int) -> None:  # noqa: A002
        """Check that only its owner deletes it, and its messages with it."""
        if self.own(self.conversations, user, id):
            self.run(self.conversation_repo.delete(self.names[user], id))
            del self.conversations[id]
            del self.messages[id]
        else:
            self.refused(self.conversation_repo.delete(self.names[user], id), NotFoundError)

    @rule(user=USERS, limit=LIMIT)
    def list_conversations(self, user: int, limit: int) -> None:
        """Check that the most recently active come first."""
        own = self.all_of(self.conversations, user)
        own.sort(key=lambda conversation: (conversation.updated_at, conversation.id), reverse=True)
        assert self.pages(self.conversation_repo.list_page, self.names[user], limit=limit) == own
        assert self.run(self.conversation_repo.count(self.names[user])) == len(own)

    @rule(user=USERS, id=conversation_ids, texts=st.lists(TITLE, min_size=1, max_size=4), many=st.booleans())
    def append(self, user: int, id: int, texts: list[str], *, many: bool) -> None:  # noqa: A002
        """Check that only the owner appends."""
        data = [MessageCreate(role="user", content=content) for content in texts]
        repo, name = self.message_repo, self.names[user]
        call: Awaitable[Any] = repo.append_many(name, id, data) if many else repo.append(name, id, data[0])
        if not (own := self.own(self.conversations, user, id)):
            self.refused(call, MissingReferenceError)
            return
        appended = self.run(call) if many else [self.run(call)]
        assert [message.content for message in appended] == texts[: len(appended)]
        self.messages[id] += appended
        self.conversations[id] = own.model_copy(update={"updated_at": appended[-1].created_at})

    @rule(user=USERS, id=conversation_ids, limit=LIMIT)
    def read_messages(self, user: int, id: int, limit: int) -> None:  # noqa: A002
        """Check that the owner sees all and other users none: in pages, as the latest, and as a stream."""
        repo, name = self.message_repo, self.names[user]
        expected = self.messages[id] if self.own(self.conversations, user, id) else []
        assert self.pages(repo.list_page, name, id, limit=limit) == expected
        assert self.run(repo.latest(name, id, limit=limit)) == expected[-limit:]
        assert self.run(_all(repo.stream(name, id))) == expected


async def _all(messages: AsyncIterator[MessageRead]) -> list[MessageRead]:
    return [message async for message in messages]


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    """Give the loop that the database runs in; it is idle while a synchronous test runs."""
    return asyncio.get_running_loop()


def test_no_user_sees_or_changes_a_row_of_another(db: Database, loop: asyncio.AbstractEventLoop) -> None:
    """The test makes random calls of several users, in any order, with any ids."""
    run_state_machine_as_test(
        cast("type[Users]", lambda: Users(db, loop)),  # a factory is allowed, too
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
