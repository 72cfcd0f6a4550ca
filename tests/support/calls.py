"""Every public method of every repository, called."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from app import repositories
from app.db import Database
from app.db.models import ConversationRead, MessageCreate, Role, TaskCreate, TaskRead, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, TaskRepo

MESSAGE: Final = MessageCreate(role=Role.USER, content="hello")


@dataclass(frozen=True, slots=True)
class Rows:
    """A user's rows to call upon: a task, and a conversation with one message."""

    user_id: str
    task: TaskRead
    conversation: ConversationRead

    @classmethod
    async def of(cls, db: Database, user_id: str) -> "Rows":
        """Write them."""
        task = await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
        conversation = await ConversationRepo(db).create(user_id)
        await MessageRepo(db).append(user_id, conversation.id, MESSAGE)
        return cls(user_id, task, conversation)


@dataclass(frozen=True, slots=True)
class Repos:
    """The repositories on one executor."""

    tasks: TaskRepo
    conversations: ConversationRepo
    messages: MessageRepo

    @classmethod
    def on(cls, executor: Database | AsyncSession) -> "Repos":
        """Return them."""
        return cls(TaskRepo(executor), ConversationRepo(executor), MessageRepo(executor))


Call = Callable[[Repos, Rows], Awaitable[object]]


async def _all(messages: AsyncIterator[object]) -> int:
    return len([message async for message in messages])


CALLS: Final[dict[str, Call]] = {
    "TaskRepo.create": lambda on, of: on.tasks.create(of.user_id, TaskCreate(title="x")),
    "TaskRepo.create with a key": lambda on, of: on.tasks.create(
        of.user_id, TaskCreate(title="x"), idempotency_key=uuid4()
    ),
    "TaskRepo.get": lambda on, of: on.tasks.get(of.user_id, of.task.id),
    "TaskRepo.get_or_none": lambda on, of: on.tasks.get_or_none(of.user_id, of.task.id),
    "TaskRepo.list_page": lambda on, of: on.tasks.list_page(of.user_id),
    "TaskRepo.list_page of open ones": lambda on, of: on.tasks.list_page(of.user_id, completed=False),
    "TaskRepo.update": lambda on, of: on.tasks.update(of.user_id, of.task.id, TaskUpdate(completed=True)),
    "TaskRepo.update if unchanged": lambda on, of: on.tasks.update(
        of.user_id, of.task.id, TaskUpdate(completed=True), expected_updated_at=of.task.updated_at
    ),
    "TaskRepo.delete": lambda on, of: on.tasks.delete(of.user_id, of.task.id),
    "TaskRepo.count": lambda on, of: on.tasks.count(of.user_id),
    "TaskRepo.count of open ones": lambda on, of: on.tasks.count(of.user_id, completed=False),
    "ConversationRepo.create": lambda on, of: on.conversations.create(of.user_id),
    "ConversationRepo.create with a key": lambda on, of: on.conversations.create(of.user_id, idempotency_key=uuid4()),
    "ConversationRepo.get": lambda on, of: on.conversations.get(of.user_id, of.conversation.id),
    "ConversationRepo.get_or_none": lambda on, of: on.conversations.get_or_none(of.user_id, of.conversation.id),
    "ConversationRepo.list_page": lambda on, of: on.conversations.list_page(of.user_id),
    "ConversationRepo.delete": lambda on, of: on.conversations.delete(of.user_id, of.conversation.id),
    "ConversationRepo.count": lambda on, of: on.conversations.count(of.user_id),
    "MessageRepo.append": lambda on, of: on.messages.append(of.user_id, of.conversation.id, MESSAGE),
    "MessageRepo.append with a key": lambda on, of: on.messages.append(
        of.user_id, of.conversation.id, MESSAGE, idempotency_key=uuid4()
    ),
    "MessageRepo.appended_with": lambda on, of: on.messages.appended_with(of.user_id, uuid4()),
    "MessageRepo.append_many": lambda on, of: on.messages.append_many(of.user_id, of.conversation.id, [MESSAGE] * 3),
    "MessageRepo.latest": lambda on, of: on.messages.latest(of.user_id, of.conversation.id),
    "MessageRepo.list_page": lambda on, of: on.messages.list_page(of.user_id, of.conversation.id),
    "MessageRepo.stream": lambda on, of: _all(on.messages.stream(of.user_id, of.conversation.id)),
}
"""At least one call of each public method, by its name; further ones say after it what is different."""


def public_methods() -> set[str]:
    """Return the names of what `CALLS` must have: ``TaskRepo.create`` and the others."""
    classes: list[Any] = [repo for repo in vars(repositories).values() if inspect.isclass(repo)]
    return {
        f"{repo.__name__}.{name}"
        for repo in classes
        if repo is not repositories.Page
        for name, member in inspect.getmembers(repo, inspect.isroutine)
        if not name.startswith("_")
    }
