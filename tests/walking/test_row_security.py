"""Row-level security: the server itself protects other users' rows from a statement without its predicate."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.access import Roles, give_rights, switch_off, switch_on
from app.db.engine.compiled import compiled
from app.db.engine.translation import translating
from app.db.errors import ConfigurationError, MissingReferenceError
from app.db.migrations import upgrade
from app.db.models.base import owned_tables
from app.db.query import Query
from app.repositories import entities, queries
from app.userdata import erase_user, import_user
from app.userdata.statements import bound_of, deletion, extent, ids, page
from app.userdata.tables import UserTable, user_tables
from tests.support.calls import Call, Rows, calls
from tests.support.exported import exported, furnish
from tests.support.guarded_plans import unguarded, user_settings
from tests.support.pgbouncer import PgBouncer
from tests.support.recorded import recorded, recorded_by_name
from tests.support.servers import VERSIONS, server_of
from tests.support.wire import counted

APPLICATION, READER, OWNER = "guarded_app", "guarded_reader", "guarded_owner"
PREDICATE = re.compile(r"CAST\((\w+)\.user_id AS TEXT\) = CAST\(\$\d+::VARCHAR AS TEXT\)")


@dataclass(frozen=True)
class Guarded:
    """A database with row-level security on, and the ways to it."""

    folder: str
    port: int = 5432

    def settings(self, role: str = APPLICATION, **more: Any) -> DatabaseSettings:
        """Return the settings of an application that works as `role`."""
        url = f"postgresql://{role}@/guarded?host={self.folder}&port={self.port}"
        return DatabaseSettings(url=url, **{"row_level_security": True, **more})


@pytest.fixture(scope="module", params=VERSIONS)
async def guarded(request: pytest.FixtureRequest) -> AsyncIterator[Guarded]:
    """Run a server of each version with the three roles; no role that serves is owner or superuser."""
    with server_of(request.param) as folder:
        place = Guarded(str(folder))
        async with Database(DatabaseSettings(url=f"postgresql://postgres@/postgres?host={folder}")) as db:
            for role in (OWNER, APPLICATION, READER):
                await db.execute(text(f"create role {role} login"))
            await db.execute(text(f"create database guarded owner {OWNER}"))
        await upgrade(place.settings(OWNER))
        await give_rights(place.settings(OWNER), Roles(APPLICATION, READER))
        await switch_on(place.settings(OWNER))
        yield place


@pytest.fixture
async def db(guarded: Guarded) -> AsyncIterator[Database]:
    """Open it as the application does."""
    async with Database(guarded.settings()) as database:
        yield database


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_every_call_works_with_it(db: Database, user_id: str, call: Call) -> None:
    """Calls work on a Database and in a transaction, although each row is checked twice."""
    rows = await Rows.of(db, user_id)
    async with db.transaction() as session:
        await call.run(session, rows)
        await session.rollback()
    await call.run(db, rows)


async def _run(db: Database, sql: str, arguments: list[Any]) -> list[Any]:
    """Return the records; none where the row would refer to another user's, which its foreign key refuses."""
    async with db.engine.connect() as connection:
        with suppress(MissingReferenceError), translating():
            return list((await connection.exec_driver_sql(sql, tuple(arguments))).mappings().all())
        return []


def _table_of(query: Query[Any]) -> str:
    return next(table for table, entity in entities().items() if query.name in entity.queries)


@pytest.mark.parametrize("name", queries())
async def test_without_its_predicate_a_statement_sees_only_own_rows(db: Database, user_id: str, name: str) -> None:
    """Each statement runs without its predicates on the user, but still sets the current user."""
    victim = await Rows.of(db, user_id)
    asking = await Rows.of(db, f"asking-{uuid4().hex}")
    query, parameters = (await recorded_by_name(calls(), db, victim))[name]
    form = compiled(query, row_level_security=True)
    careless, removed = PREDICATE.subn("true", form.sql)
    inserts_only = "WHERE" not in form.sql
    assert removed or inserts_only
    parameters = {**parameters, "p_user_id": asking.user_id}
    for row in await _run(db, careless, form.arguments(parameters)):
        assert row.get("user_id", asking.user_id) in (asking.user_id, None)
        if "user_id" not in row and "count" not in row:  # what it returns is the id of a row that it wrote or removed
            assert row["id"] != victim.by_table[_table_of(query)].id


async def test_without_a_user_there_are_no_rows(db: Database, guarded: Guarded, user_id: str) -> None:
    """Without a user no row can be read or written, not even by the tables' owner."""
    await Rows.of(db, user_id)
    for role in (APPLICATION, OWNER):
        async with Database(guarded.settings(role)) as other:
            for table in owned_tables():
                assert (await other.execute(text(f"select count(*) from {table}"))).scalar_one() == 0
            with pytest.raises(ConfigurationError, match="row-level security"):
                await other.execute(text(f"insert into task (user_id, title) values ('{user_id}', 'planted')"))


async def test_every_row_is_exported_imported_and_erased_with_it(db: Database, user_id: str) -> None:
    """The statements over a whole user say whose rows they are about, as those of the repositories do."""
    await furnish(db, user_id)
    file = await exported(db, user_id)
    await import_user(db, f"{user_id}-2", file.splitlines(keepends=True))
    async for _ in erase_user(db, user_id):
        pass
    assert await exported(db, f"{user_id}-2") == file
    assert len((await exported(db, user_id)).splitlines()) == 2


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("of", user_tables(), ids=lambda each: each.name)
async def test_the_user_is_set_before_the_policy_is_checked_in_every_step_too(
    db: Database,
    of: UserTable,
    generic: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The test checks the custom plan and the generic plan."""
    sent = {"p_user_id": "ada", "p_place": 0, "p_skip": 0, "p_limit": 10}
    bounds = {bound_of(each): 1 for each in user_tables()}
    for query in (page(of), ids(of), deletion(of), extent()):
        plan = await _plan(db, query, sent | bounds, generic=generic)
        assert unguarded(plan, user_settings(plan)) == []


@pytest.mark.parametrize("generic", [False, True], ids=["custom", "generic"])
@pytest.mark.parametrize("name", queries())
async def test_the_user_is_set_before_the_policy_is_checked(
    db: Database,
    user_id: str,
    name: str,
    generic: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """The test checks the custom plan and the generic plan."""
    query, parameters = (await recorded_by_name(calls(), db, await Rows.of(db, user_id)))[name]
    plan = await _plan(db, query, parameters, generic=generic)
    assert user_settings(plan)
    assert unguarded(plan, user_settings(plan)) == []


async def _plan(db: Database, query: Query[Any], parameters: dict[str, Any], *, generic: bool) -> dict[str, Any]:
    form = compiled(query, row_level_security=True)
    mode = "force_generic_plan" if generic else "force_custom_plan"
    async with db.engine.connect() as connection:
        await connection.exec_driver_sql(f"set local plan_cache_mode = {mode}")
        sql = f"explain (format json, verbose, costs off) {form.sql}"
        found = (await connection.exec_driver_sql(sql, tuple(form.arguments(parameters)))).scalar_one()
    plan: dict[str, Any] = json.loads(found)[0]["Plan"]
    return plan


async def test_a_plan_that_checks_first_would_be_noticed(db: Database) -> None:
    """The test above detects a statement that does not set its user."""
    async with db.engine.connect() as connection:
        sql = "explain (format json, verbose, costs off) select id from task where id = 1"
        found = (await connection.exec_driver_sql(sql)).scalar_one()
    assert unguarded(json.loads(found)[0]["Plan"], ["InitPlan 1"]) != []


async def test_a_session_sees_the_rows_of_its_user(db: Database, user_id: str) -> None:
    """The caller's own statements do too, until the transaction ends."""
    await Rows.of(db, user_id)
    await Rows.of(db, "somebody-else")
    async with db.transaction(user_id=user_id) as session:
        for table in owned_tables():
            owners = (await session.execute(text(f"select distinct user_id from {table}"))).scalars().all()
            assert owners == [user_id]
    async with db.transaction() as session:
        assert (await session.execute(text("select count(*) from task"))).scalar_one() == 0


async def test_nothing_is_left_in_the_session(guarded: Guarded, user_id: str) -> None:
    """Two users share one connection in turn: the first user's setting ends with its transaction."""
    async with Database(guarded.settings(pool_size=1)) as db:
        for call in calls():
            await recorded(call, db, await Rows.of(db, user_id), commit=True)
            left = await db.execute(text("select current_setting('app.user_id', true)"))
            assert left.scalar_one() in ("", None)


async def test_a_call_is_one_round_trip_with_it(guarded: Guarded, user_id: str) -> None:
    """The statement itself sets the user."""
    async with counted(guarded.settings().url.get_secret_value(), row_level_security=True) as (db, counter):
        for call in calls():
            await call.run(db, await Rows.of(db, user_id))  # prepares it
            arguments = await call.arguments(db, await Rows.of(db, user_id))
            async with counter.expect(1):
                await call.send(db, arguments)


async def test_it_works_through_a_transaction_pooler(guarded: Guarded) -> None:
    """Two clients share one server session: neither sees the other's rows, and nothing stays behind."""
    with PgBouncer(guarded.folder, 5432, pool_size=1, server_user=APPLICATION, users={APPLICATION: ""}) as pooler:
        settings = DatabaseSettings(url=pooler.url("guarded"), pooler="transaction", row_level_security=True)
        async with Database(settings) as first, Database(settings) as second:
            mine, theirs = await Rows.of(first, f"a-{uuid4().hex}"), await Rows.of(second, f"b-{uuid4().hex}")
            for call in calls():
                await call.run(first, mine)
                await call.run(second, theirs)
                mine, theirs = await Rows.of(first, mine.user_id), await Rows.of(second, theirs.user_id)
            assert (await first.execute(text("select count(*) from task"))).scalar_one() == 0


async def test_it_can_be_switched_while_the_application_runs(guarded: Guarded, user_id: str) -> None:
    """The same statements work before and after, and other roles regain the access that it removed."""
    async with Database(guarded.settings()) as db:
        rows = await Rows.of(db, user_id)
        await switch_off(guarded.settings(OWNER))
        assert (await db.execute(text("select count(*) from task"))).scalar_one() > 0
        for call in calls():
            await recorded(call, db, rows)
        await switch_on(guarded.settings(OWNER))
        assert (await db.execute(text("select count(*) from task"))).scalar_one() == 0
        await recorded(calls()[0], db, rows)


async def test_it_is_not_switched_on_for_an_application_that_is_not_ready(guarded: Guarded) -> None:
    """An application whose statements do not set their user would see no rows."""
    with pytest.raises(ConfigurationError, match="DATABASE_ROW_LEVEL_SECURITY=true"):
        await switch_on(guarded.settings(OWNER, row_level_security=False))
