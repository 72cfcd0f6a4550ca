"""The databases of this folder: with the functions of shards, partitioned by a hash of the owner, and on Citus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.migrations import upgrade
from app.db.migrations.sharding import distribute
from app.repositories import routines
from tests.support.citus import citus_database
from tests.support.databases import MakeDatabase
from tests.support.partitioned import partitioned
from tests.support.wire import WireCounter, counted

FORMS = {"plain": True, "partitioned": False, "partitioned with functions": True, "citus": True}
"""Whether the setting is on."""
Counted = tuple[Database, WireCounter]


@asynccontextmanager
async def citus(url: str) -> AsyncIterator[str]:
    """Create a sharded database."""
    async with citus_database(url) as entry:
        settings = DatabaseSettings(url=entry, sharded=True)
        await upgrade(settings)
        await distribute(settings, routines())
        yield entry


@pytest.fixture(scope="session")
async def citus_url(citus_server_url: str) -> AsyncIterator[str]:
    """Return the URL of a sharded database."""
    async with citus(citus_server_url) as url:
        yield url


async def create_functions(settings: DatabaseSettings) -> None:
    """Create those that `distribute` creates where the server has Citus."""
    async with Database(settings) as db, db.engine.begin() as connection:
        for routine in routines():
            await connection.exec_driver_sql(routine.created)


@pytest.fixture(scope="session")
async def plain_url(make_database: MakeDatabase) -> str:
    """Return the URL of a database at head, with the functions that a sharded one has."""
    settings = DatabaseSettings(url=await make_database())
    await upgrade(settings)
    await create_functions(settings)
    return settings.url.get_secret_value()


@pytest.fixture(scope="session")
async def partitioned_url(make_database: MakeDatabase, plain_url: str) -> str:
    """Return the URL of a database with partitioned tables and the functions."""
    url = await make_database(template=plain_url.rpartition("/")[2].partition("?")[0])
    async with Database(DatabaseSettings(url=url)) as db, db.transaction() as session:
        for statement in partitioned():
            await session.execute(text(statement))
    return url


@pytest.fixture(scope="session", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    """Name each form in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def settings(request: pytest.FixtureRequest, form: str) -> DatabaseSettings:
    """Return the settings of the database of a form."""
    url = request.getfixturevalue(f"{form.partition(' ')[0]}_url")
    return DatabaseSettings(url=url, sharded=FORMS[form])


@pytest.fixture
async def db(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Open it."""
    async with Database(settings) as database:
        yield database


@pytest.fixture
async def counted_db(settings: DatabaseSettings) -> AsyncIterator[Counted]:
    """Open it with one connection, behind a proxy that counts."""
    async with counted(settings.url.get_secret_value(), sharded=settings.sharded) as both:
        yield both
