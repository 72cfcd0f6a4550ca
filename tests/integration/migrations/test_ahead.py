"""A database that newer code has migrated: after a rollback, or with the wrong code."""

import asyncio
from pathlib import Path

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import DatabaseAheadError
from app.db.migrations import check, current, downgrade, upgrade
from tests.support.catalog import describe
from tests.support.databases import MakeDatabase
from tests.support.migrations import FIRST, HEAD, start_alembic, with_revisions

NEWER = 'op.execute("create table newer (id int)")'


@pytest.fixture
async def ahead(make_database: MakeDatabase, tmp_path: Path) -> DatabaseSettings:
    """Give a database that newer code has migrated."""
    url = await make_database()
    process = start_alembic("upgrade", "head", url=url, folder=with_revisions(tmp_path, tomorrow=NEWER))
    _, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, errors
    return DatabaseSettings(url=url)


@pytest.mark.parametrize(
    "arguments", [("upgrade", "head"), ("downgrade", FIRST), ("check",), ("current",), ("stamp", HEAD)]
)
async def test_the_command_says_so_and_exits_with_3(ahead: DatabaseSettings, arguments: tuple[str, ...]) -> None:
    """It prints a sentence with the revision and no traceback, and changes nothing."""
    async with Database(ahead) as db:
        before = await describe(db)
        process = start_alembic(*arguments, url=ahead.url.get_secret_value())
        _, errors = await asyncio.to_thread(process.communicate)
        assert process.returncode == 3, errors
        assert "the database is at revision tomorrow, which this code does not know" in errors
        assert "Traceback" not in errors
        assert (await describe(db), await current(ahead)) == (before, "tomorrow")


async def test_in_process_it_is_an_error_of_its_own(ahead: DatabaseSettings) -> None:
    """An application that migrates when it starts can catch it."""
    for call in (upgrade(ahead), downgrade(ahead, FIRST), check(ahead)):
        with pytest.raises(DatabaseAheadError, match="tomorrow"):
            await call
    assert await current(ahead) == "tomorrow"


async def test_the_newer_code_can_take_it_down(ahead: DatabaseSettings, tmp_path: Path) -> None:
    """The steps are those of docs/operations.md."""
    process = start_alembic("downgrade", HEAD, url=ahead.url.get_secret_value(), folder=tmp_path)
    _, errors = await asyncio.to_thread(process.communicate)
    assert process.returncode == 0, errors
    assert await current(ahead) == HEAD
    await upgrade(ahead)
