"""The queries of tasks."""

from datetime import datetime
from uuid import UUID

from app.db.models import Task, TaskCreate, TaskRead, TaskUpdate
from app.repositories.entity import Entity
from app.repositories.page import Page
from app.repositories.repository import Repository
from app.repositories.usual import Usual


class TaskRepo(Repository[TaskRead]):
    """Tasks of one user at a time; each call is one statement."""

    entity = Entity(Task, TaskRead)
    usual = Usual(entity, create=TaskCreate, update=TaskUpdate, filters=["completed"])

    async def create(self, user_id: str, data: TaskCreate, *, idempotency_key: UUID | None = None) -> TaskRead:
        """Return the new task, as stored.

        With a key, the task that was first created with it, as it is today.
        Raises `ConflictError` if that was from other data.
        """
        return await self._create(user_id, data, idempotency_key)

    async def get(self, user_id: str, id: int) -> TaskRead:
        """Return the task; raises `NotFoundError`."""
        return await self._get(user_id, id)

    async def get_or_none(self, user_id: str, id: int) -> TaskRead | None:
        """Return the task, or None where `get` raises."""
        return await self._get_or_none(user_id, id)

    async def list_page(
        self, user_id: str, *, completed: bool | None = None, limit: int = 50, after: str | None = None
    ) -> Page[TaskRead]:
        """Return at most `limit` tasks, newest first; raises `InvalidCursorError`."""
        return await self._page(user_id, limit, after, completed=completed)

    async def update(
        self, user_id: str, id: int, data: TaskUpdate, *, expected_updated_at: datetime | None = None
    ) -> TaskRead:
        """Return the task with the fields that `data` sets changed; the last write wins.

        With `expected_updated_at` only if it has not changed since, else `StaleRowError`. Raises `NotFoundError`.
        """
        return await self._update(user_id, id, data, expected_updated_at)

    async def delete(self, user_id: str, id: int) -> None:
        """Delete the task; raises `NotFoundError`."""
        await self._delete(user_id, id)

    async def count(self, user_id: str, *, completed: bool | None = None) -> int:
        """Return how many tasks there are; reads all in the index: too dear for a list."""
        return await self._count(user_id, completed=completed)
