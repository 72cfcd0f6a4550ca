"""No operator, function or cast that another role plants changes the meaning of the layer's statements."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.db.errors import NotFoundError
from app.db.migrations.autogenerate.rendering import enum_of
from app.db.models import TaskCreate, metadata
from app.repositories import TaskRepo, queries
from tests.support.resolution import outside_the_catalog
from tests.support.spies import plant_spies

STATEMENTS = {
    f"{name} {'guarded' if guarded else 'plain'}": compiled(query, row_level_security=guarded).sql
    for name, query in queries().items()
    for guarded in (False, True)
}
ATTACK = (
    "create function public.spy(varchar, varchar) returns boolean language sql return true",
    "create operator public.= (leftarg = varchar, rightarg = varchar, function = public.spy)",
)
NOTE = (
    "create type kind as enum ('a', 'b')",
    "create table leaflet (title varchar(9), day date, kind kind, tags text[], data jsonb)",
)
# Operators that pg_catalog has for exactly these types, and qualified names.
SAFE = (
    "select id from task where cast(user_id as text) = $1::text",
    "select id from task where cast(user_id as text) = any($1::text[])",
    "select id from task where user_id operator(pg_catalog.=) $1::varchar",
    "select id from task where id = $1::bigint and completed = $2::boolean and idempotency_key = $3::uuid",
    "select id from conversation where (updated_at, id) < ((select $1::timestamptz), (select $2::bigint))",
    "select id from task where idempotency_digest is not distinct from $1::bytea",
    "select greatest(clock_timestamp(), updated_at + interval '1 microsecond'), coalesce($1::varchar, title) from task",
    "select sum(octet_length(content)) over (order by id desc nulls last rows unbounded preceding) from message",
    "select distinct title from task group by title order by title",
    "select * from unnest($1::text[], $2::text[]) with ordinality as sent (role, content, position) order by position",
    "select pg_catalog.array_agg(id), pg_catalog.count(id), count(*), max(id) from task",
    "select set_config('app.user_id', $1::text, true), current_setting('app.user_id', true)",
    "select day from leaflet where day = $1::date and data @> $2::jsonb",
    "select day from leaflet where kind operator(pg_catalog.=) $1::kind and cast(kind as text) = $2::text",
    "insert into task (user_id, title) values ($1::text, $2::text) returning cast(title as varchar)",
)
# Cases in which the server has to convert a value first, and the planted object that it uses instead.
VARCHARS, TEXTS = "(character varying,character varying)", "(pg_catalog.text[],pg_catalog.text[])"
UNSAFE = {
    "select id from task where user_id = $1::varchar": f"operator public.={VARCHARS}",
    "select id from message where content = $1::varchar": "operator public.=(pg_catalog.text,character varying)",
    "select 1 from message join conversation using (user_id)": f"operator public.={VARCHARS}",
    "select nullif(title, '') from task": f"operator public.={VARCHARS}",
    "select id from task where title like 'x%'": f"operator public.~~{VARCHARS}",
    "select day from leaflet where kind = $1::kind": "operator public.=(public.kind,public.kind)",
    "select day from leaflet where tags = $1::text[]": f"operator public.={TEXTS}",
    "select octet_length(title) from task": "function public.octet_length(character varying)",
    "select count(id) from task": "function public.count(bigint)",
    "select array_agg(id) from task": "function public.array_agg(bigint)",
    "select * from unnest($1::text[])": "function public.unnest(pg_catalog.text[])",
}
OUR_TYPES = {"type public.kind"} | {
    f"type public.{enum.name}"
    for table in metadata.sorted_tables
    for column in table.columns
    if (enum := enum_of(column.type))
}


@pytest.fixture(scope="module")
async def planted(empty_copy: Callable[[], Awaitable[str]]) -> AsyncIterator[AsyncConnection]:
    """Connect to a database at head in whose schema another role could plant whatever it liked."""
    async with (
        Database(DatabaseSettings(url=await empty_copy())) as db,
        db.engine.connect() as connection,
    ):
        for statement in NOTE:
            await connection.exec_driver_sql(statement)
        await plant_spies(connection, [*STATEMENTS.values(), *SAFE, *UNSAFE])
        await connection.commit()
        yield connection


async def _planted_in(connection: AsyncConnection, sql: str) -> set[str]:
    found = await outside_the_catalog(connection, sql)
    return {each for each in found if not each.startswith("table ") and each not in OUR_TYPES}


@pytest.mark.parametrize("sql", SAFE)
async def test_an_exact_or_qualified_name_is_the_systems(planted: AsyncConnection, sql: str) -> None:
    """A new statement can use these forms."""
    assert await _planted_in(planted, sql) == set()


@pytest.mark.parametrize(("sql", "taken"), UNSAFE.items())
async def test_a_planted_name_is_noticed(planted: AsyncConnection, sql: str, taken: str) -> None:
    """The tests of this file detect what they look for."""
    assert await _planted_in(planted, sql) == {taken}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_every_statement_of_a_repository_is_the_systems(planted: AsyncConnection, name: str) -> None:
    """The server resolves each operator and function in it to one of pg_catalog."""
    assert await _planted_in(planted, STATEMENTS[name]) == set()


async def test_a_planted_operator_opens_no_row(empty_copy: Callable[[], Awaitable[str]]) -> None:
    """The attack itself fails, by a role that may only create in the schema."""
    async with Database(DatabaseSettings(url=await empty_copy())) as db:
        owned = await TaskRepo(db).create("ada", TaskCreate(title="private"))
        await _attack(db)
        assert (await TaskRepo(db).list_page("nobody")).items == []
        assert await TaskRepo(db).get_or_none("nobody", owned.id) is None
        assert await TaskRepo(db).count("nobody") == 0
        with pytest.raises(NotFoundError):
            await TaskRepo(db).delete("nobody", owned.id)
        assert await TaskRepo(db).get("ada", owned.id) == owned


async def _attack(db: Database) -> None:
    role = f"intruder_{uuid4().hex[:8]}"
    async with db.transaction() as session:
        await session.execute(text(f"create role {role}"))
        await session.execute(text(f"grant create on schema public to {role}"))
        await session.execute(text(f"set local role {role}"))
        for statement in ATTACK:
            await session.execute(text(statement))
        await session.execute(text("reset role"))
        await session.execute(text(f"reassign owned by {role} to current_user"))
        await session.execute(text(f"drop owned by {role}"))
        await session.execute(text(f"drop role {role}"))
