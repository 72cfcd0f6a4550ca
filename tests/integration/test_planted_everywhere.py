"""Planted names cannot take over the layer's other statements, which the tests record on the wire."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights, switch_off, switch_on
from app.db.migrations import current, downgrade, upgrade
from app.db.retention import forget_keys
from app.doctor import examine
from tests.conftest import MakeDatabase
from tests.support.proxy import FaultProxy
from tests.support.resolution import outside_the_catalog
from tests.support.spies import plant_spies
from tests.support.wire import WireCounter

_AT_LEAST = 40
# Statements of other libraries: SQLAlchemy's reflection, and asyncpg's lookup of types that it does not know.
# Because of them the doctor reports an error when another role may create in the schema.
_OF_LIBRARIES = re.compile(r"SELECT (pg_catalog\.|attr\.)|typeinfo_tree")
_KINDS = "select|with|insert|update|delete"
_RESOLVED = re.compile(rf"\s*(?:explain\s*\([^)]*\)\s*)?((?:{_KINDS})\b.*)", re.IGNORECASE | re.DOTALL)


async def _work(settings: DatabaseSettings, roles: Roles) -> None:
    """Do everything that is done to a database besides the repositories' queries."""
    await upgrade(settings)
    await current(settings)
    await give_rights(settings, roles)
    await switch_on(settings)
    await switch_off(settings)
    async with Database(settings) as db:
        await forget_keys(db, older_than=timedelta(days=7))
        async with db.transaction(user_id="ada") as session:
            await session.execute(text("select 1"))
    await examine(settings)  # the other work of --write happens in its own schema
    await downgrade(settings, "base")


@pytest.fixture(scope="module")
async def sent(make_database: MakeDatabase) -> list[str]:
    """Record each of its statements that has names to resolve."""
    url, suffix = await make_database(), uuid4().hex[:8]
    roles = Roles(f"app_{suffix}", f"reader_{suffix}")
    async with FaultProxy(url).running() as proxy:
        counter = WireCounter(proxy)
        await _work(DatabaseSettings(url=proxy.url(), row_level_security=True), roles)
        found = {match[1] for sql in counter.statements if (match := _RESOLVED.fullmatch(sql))}
    async with Database(DatabaseSettings(url=url)) as db:
        for role in (roles.application, roles.reader):
            await db.execute(text(f"drop owned by {role}"))
            await db.execute(text(f"drop role {role}"))
    return sorted(found)


@pytest.fixture(scope="module")
async def planted(empty_copy: Callable[[], Awaitable[str]], sent: list[str]) -> AsyncIterator[AsyncConnection]:
    """Connect to a database at head with a schema in which another role could create anything."""
    async with (
        Database(DatabaseSettings(url=await empty_copy())) as db,
        db.engine.connect() as connection,
    ):
        await plant_spies(connection, sent)
        await connection.commit()
        yield connection


async def _taken(connection: AsyncConnection, sql: str) -> set[str]:
    try:
        found = await outside_the_catalog(connection, sql)
    except DBAPIError as error:  # the planted object does not even fit where it was used
        return {str(error.orig)}
    return {name for name in found if name.startswith(("operator", "function"))}


async def test_nothing_that_is_sent_takes_a_planted_name(planted: AsyncConnection, sent: list[str]) -> None:
    """The statements are those of migrations, doctor, rights, row-level security and keys."""
    ours = [sql for sql in sent if not _OF_LIBRARIES.search(sql)]
    assert len(ours) > _AT_LEAST
    taken = {sql: names for sql in ours if (names := await _taken(planted, sql))}
    assert taken == {}
