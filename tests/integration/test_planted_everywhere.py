"""Planted names cannot take over the layer's other statements, which the tests record on the wire."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Enum, MetaData, String, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.readiness import Readiness
from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights, switch_off, switch_on
from app.db.migrations import current, downgrade, upgrade
from app.db.retention import forget_keys
from app.doctor import examine
from tests.support.databases import MakeDatabase
from tests.support.proxy import FaultProxy
from tests.support.resolution import outside_the_catalog
from tests.support.servers import VERSIONS, server_of
from tests.support.spies import plant_spies
from tests.support.wire import WireCounter

# What must have been recorded, so that the walk cannot be empty: SQLAlchemy's reflection, asyncpg's lookup of a type
# that it does not know, Alembic's version table, readiness, and the work of `doctor --write`.
_AMONG_THEM = (
    "pg_get_constraintdef",
    "typeinfo_tree",
    "update alembic_version",
    "select version_num from alembic_version",
    "insert into task (user_id, title, completed)",
    "set_config('app.user_id'",
    "pg_stat_activity",
)
_A_TYPE = "create type mood as enum ('glad')"  # a type that the driver does not know
_BUILT_IN = """
with planted as (
  select tableoid, oid, oprname as name from pg_operator where oprnamespace = 'public'::regnamespace
  union all select tableoid, oid, proname from pg_proc
  where pronamespace = 'public'::regnamespace and proname <> 'set_updated_at'
)
select pg_describe_object(classid, objid, objsubid) as built_into, name
from pg_depend join planted on planted.tableoid = refclassid and planted.oid = refobjid
where classid not in ('pg_operator'::regclass, 'pg_proc'::regclass)"""
_NEVER = "create function public.never({kind}, {kind}) returns boolean language sql return false"
_DEFAULTS = MetaData()
Table(
    "leaflet",
    _DEFAULTS,
    Column("status", String(9), server_default="open"),
    Column("place", String(9), server_default=text("'here'")),
    Column("mood", Enum("glad", name="mood"), server_default="glad"),
)
_KINDS = "select|with|insert|update|delete"
_RESOLVED = re.compile(rf"\s*(?:explain\s*\([^)]*\)\s*)?((?:{_KINDS})\b.*)", re.IGNORECASE | re.DOTALL)


async def _work(settings: DatabaseSettings, roles: Roles) -> None:
    """Do everything that is done to a database besides the repositories' queries, which `doctor --write` runs, too."""
    await upgrade(settings)
    await current(settings)
    await give_rights(settings, roles)
    await switch_on(settings)
    await switch_off(settings)
    async with Database(settings) as db:
        await db.execute(text(_A_TYPE))
        await forget_keys(db, older_than=timedelta(days=7))
        async with db.transaction(user_id="ada") as session:
            await session.execute(text("select cast('glad' as mood), cast('{glad}' as mood[])"))
        readiness = Readiness(db)
        await readiness.check()
        await readiness.close()
    await examine(settings, write=True)
    await downgrade(settings, "base")


@pytest.fixture(scope="module", params=VERSIONS)
def socket(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run a server of each version: SQLAlchemy reflects each in another way."""
    with server_of(request.param) as folder:
        yield f"host={folder}"


@pytest.fixture(scope="module")
async def sent(socket: str) -> list[str]:
    """Record each of its statements that has names to resolve."""
    async with FaultProxy(f"postgresql://postgres@/postgres?{socket}").running() as proxy:
        counter = WireCounter(proxy)
        await _work(DatabaseSettings(url=proxy.url(), row_level_security=True), Roles("an_app", "a_reader"))
        found = {match[1] for sql in counter.statements if (match := _RESOLVED.fullmatch(sql))}
    return sorted(found)


@pytest.fixture(scope="module")
async def planted(socket: str, sent: list[str]) -> AsyncIterator[AsyncConnection]:
    """Connect to another database at head, with a schema in which another role could create anything."""
    settings = DatabaseSettings(url=f"postgresql://postgres@/template1?{socket}")
    await upgrade(settings)
    async with Database(settings) as db, db.engine.connect() as connection:
        await connection.exec_driver_sql(_A_TYPE)
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
    """The statements are those of migrations, doctor, readiness, rights, row-level security, keys and libraries."""
    in_one_line = [" ".join(sql.lower().split()) for sql in sent]
    assert [part for part in _AMONG_THEM if not any(part.lower() in sql for sql in in_one_line)] == []
    taken = {sql: names for sql in sent if (names := await _taken(planted, sql))}
    assert not taken, "\n".join(f"{names}: {sql}" for sql, names in taken.items())


async def test_what_is_planted_before_the_first_migration_is_not_built_in(make_database: MakeDatabase) -> None:
    """A check, default, index, trigger or policy keeps for good the operator that it was created with."""
    settings = DatabaseSettings(url=await make_database(), row_level_security=True)
    async with Database(settings) as db:
        async with db.engine.begin() as connection:
            await plant_spies(connection, ["clock_timestamp()", "current_setting()", "greatest()", "coalesce()"])
        for revision in ("head", "base", "head"):
            await (downgrade if revision == "base" else upgrade)(settings, revision)
        await switch_on(settings)
        async with db.engine.begin() as connection:
            await connection.exec_driver_sql("set local search_path = pg_catalog")
            assert (await connection.exec_driver_sql(_BUILT_IN)).all() == []


@pytest.mark.parametrize("planted_first", [False, True])
async def test_the_default_of_a_varchar_or_an_enum_is_compared_with_the_systems_operator(
    make_database: MakeDatabase, *, planted_first: bool
) -> None:
    """An operator that says that no two values are equal would make a difference of each default."""
    async with (
        Database(DatabaseSettings(url=await make_database())) as db,
        db.engine.connect() as connection,
    ):
        await connection.run_sync(_DEFAULTS.create_all)
        if planted_first:
            for kind in ("varchar", "mood"):
                sides = f"leftarg = {kind}, rightarg = {kind}"
                await connection.exec_driver_sql(_NEVER.format(kind=kind))
                await connection.exec_driver_sql(f"create operator public.= ({sides}, function = public.never)")
        assert await connection.run_sync(_compared) == []
        await connection.exec_driver_sql("alter table leaflet alter place set default 'there'")
        assert [found[0][0] for found in await connection.run_sync(_compared)] == ["modify_default"]


def _compared(connection: Connection) -> list[Any]:
    options = {"compare_server_default": True}
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), _DEFAULTS)
    return found
