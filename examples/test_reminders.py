"""Tests of code that uses the repositories, on a real PostgreSQL that comes from a wheel.

Run `pytest -o asyncio_mode=auto examples/test_reminders.py`. In this repository, tests below tests/ have the fixtures
`db` and `user_id` from tests/conftest.py and need none of their own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import NotFoundError
from app.db.migrations import upgrade
from app.db.models import TaskCreate, TaskRead, TaskUpdate
from app.embedded import EmbeddedPostgres
from app.repositories import TaskRepo


async def complete_all(tasks: TaskRepo, user_id: str) -> list[TaskRead]:
    """Complete every open task; the code under test."""
    page = await tasks.list_page(user_id, completed=False, limit=100)
    return [await tasks.update(user_id, task.id, TaskUpdate(completed=True)) for task in page.items]


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """Start a private PostgreSQL and migrate it, once for all tests."""
    with EmbeddedPostgres() as server:
        asyncio.run(upgrade(DatabaseSettings(url=server.url())))
        yield server.url()


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """Open the database that the tests share."""
    async with Database(DatabaseSettings(url=database_url)) as database:
        yield database


@pytest.fixture
def user_id() -> str:
    """Return a new user: no user sees another's rows, so tests need no cleaning up."""
    return f"user-{uuid4().hex}"


async def test_all_open_tasks_are_completed(db: Database, user_id: str) -> None:
    """None is open afterwards."""
    tasks = TaskRepo(db)
    for title in ("Buy milk", "Call mum"):
        await tasks.create(user_id, TaskCreate(title=title))
    assert len(await complete_all(tasks, user_id)) == 2
    assert await tasks.count(user_id, completed=False) == 0


async def test_tasks_of_others_are_left_alone(db: Database, user_id: str) -> None:
    """Another user's task is as if it did not exist."""
    tasks = TaskRepo(db)
    theirs = await tasks.create(f"other-{user_id}", TaskCreate(title="Theirs"))
    assert await complete_all(tasks, user_id) == []
    with pytest.raises(NotFoundError):
        await tasks.get(user_id, theirs.id)
