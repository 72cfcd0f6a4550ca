"""A time without a time zone never reaches a timestamptz, though only the server knows the parameter's type."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache, partial
from typing import Any

import pytest
from asyncpg import Range
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import Range as SQLAlchemyRange

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError, InvalidInputError
from app.db.query import Query, WhenLost

NAIVE = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - the point of these tests
ZONED = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUSED = "must have timezone information"
SELECT = "select cast(:x as timestamptz)"


class LibrariesTime(datetime):
    """A subclass, as pandas and pendulum have them."""


class Unsure(tzinfo):
    """A time zone that knows no offset."""

    def utcoffset(self, _: datetime | None) -> timedelta | None:
        """Return none."""
        return None

    def dst(self, _: datetime | None) -> timedelta | None:
        """Return none."""
        return None

    def tzname(self, _: datetime | None) -> str | None:
        """Return none."""
        return None


async def _execute(db: Database, sql: str, value: Any) -> Any:
    return (await db.execute(text(sql), {"x": value})).scalar_one()


async def _in_a_transaction(db: Database, sql: str, value: Any) -> Any:
    async with db.transaction() as session:
        return (await session.execute(text(sql), {"x": value})).scalar_one()


async def _in_a_session(db: Database, sql: str, value: Any) -> Any:
    async with db.sessionmaker() as session:
        return (await session.execute(text(sql), {"x": value})).scalar_one()


async def _on_an_engine(db: Database, sql: str, value: Any) -> Any:
    async with db.engine.connect() as connection:
        return (await connection.execute(text(sql), {"x": value})).scalar_one()


async def _as_the_drivers_sql(db: Database, sql: str, value: Any) -> Any:
    async with db.transaction() as session:
        connection = await session.connection()
        return (await connection.exec_driver_sql(sql.replace(":x", "$1"), (value,))).scalar_one()


async def _streamed(db: Database, sql: str, value: Any) -> Any:
    async with db.transaction() as session:
        (row,) = [row async for row in await session.stream(text(sql), {"x": value})]
        return row[0]


@cache
def _query(sql: str) -> Query[Any]:
    return Query(f"tests.untyped_times: {sql}", text(sql), object, WhenLost.NOT_DONE, pinned=False)


async def _as_a_query(db: Database, sql: str, value: Any) -> Any:
    return (await db.fetch(_query(sql), {"x": value}))[0]


async def _driver(session: Any) -> Any:
    return (await (await session.connection()).get_raw_connection()).driver_connection


async def _raw(method: str, db: Database, sql: str, value: Any) -> Any:
    async with db.transaction() as session:
        found = await getattr(await _driver(session), method)(sql.replace(":x", "$1"), value)
    for _ in range(("fetchval", "fetchrow", "fetch").index(method)):
        found = found[0]
    return found


Way = Callable[[Database, str, Any], Awaitable[Any]]
WAYS: tuple[Way, ...] = (
    _execute,
    _in_a_transaction,
    _in_a_session,
    _on_an_engine,
    _as_the_drivers_sql,
    _streamed,
    _as_a_query,
    *(partial(_raw, method) for method in ("fetch", "fetchrow", "fetchval")),
)


@pytest.mark.parametrize("way", WAYS)
async def test_a_naive_time_is_refused_whichever_way_it_goes(db: Database, way: Way) -> None:
    """The type is in the SQL only, and the same statement accepts a time with a time zone before and after."""
    assert await way(db, SELECT, ZONED) == ZONED
    with pytest.raises(InvalidInputError, match=REFUSED):
        await way(db, SELECT, NAIVE)
    assert await way(db, SELECT, ZONED) == ZONED
    assert await way(db, SELECT, None) is None


@pytest.mark.parametrize("way", WAYS)
async def test_a_naive_time_is_a_timestamps_value(db: Database, way: Way) -> None:
    """PostgreSQL's type without a time zone takes it as it is; so does a text."""
    assert await way(db, "select cast(:x as timestamp)", NAIVE) == NAIVE
    assert await way(db, "select cast(:x as date)", NAIVE.date()) == NAIVE.date()
    assert await way(db, "select cast(cast(:x as text) as timestamptz)", "2026-01-01 12:00Z") == ZONED


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("kind", "wrong", "right"),
    [
        ("timestamptz", LibrariesTime(2026, 1, 1), LibrariesTime(2026, 1, 1, tzinfo=UTC)),
        ("timestamptz", datetime(2026, 1, 1, tzinfo=Unsure()), ZONED),
        ("timestamptz", date(2026, 1, 1), ZONED),
        ("timestamptz[]", [ZONED, NAIVE], [ZONED, None]),
        ("timestamptz[]", [[ZONED], [NAIVE]], [[ZONED], [ZONED]]),
        ("timestamptz[]", (NAIVE,), [ZONED]),
        ("tstzrange", Range(NAIVE, None), Range(ZONED, None)),
        ("tstzrange", Range(ZONED, NAIVE + timedelta(days=1)), Range(None, ZONED)),
        ("tstzrange", (NAIVE, None), Range(ZONED, None)),
        ("tstzrange[]", [Range(NAIVE, None)], [Range(ZONED, None)]),
        ("tstzmultirange", [Range(NAIVE, None)], [Range(ZONED, None)]),
    ],
)
async def test_its_siblings_are_refused(db: Database, way: Way, kind: str, wrong: Any, right: Any) -> None:
    """Subclasses, dates, arrays, ranges: what asyncpg would take for the machine's local time."""
    with pytest.raises(InvalidInputError, match=REFUSED):
        await way(db, f"select cast(:x as {kind})", wrong)
    assert await way(db, f"select cast(:x as {kind})", right) == right


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tsrange", Range(NAIVE, NAIVE + timedelta(days=1))),
        ("timestamp[]", [NAIVE]),
        ("daterange", Range(date(2026, 1, 1), date(2026, 1, 2))),
        ("timetz", time(12, tzinfo=UTC)),
        ("time", time(12)),
    ],
)
async def test_types_without_a_time_zone_accept_what_is_theirs(db: Database, kind: str, value: Any) -> None:
    """The check is that of timestamptz only."""
    assert await _execute(db, f"select cast(:x as {kind})", value) == value


async def test_a_time_of_the_day_without_a_time_zone_is_no_timetz(db: Database) -> None:
    """The driver itself refuses it, and the other way round."""
    for kind, value in (("timetz", time(12)), ("timestamp", ZONED)):
        with pytest.raises(DataAccessError):
            await _execute(db, f"select cast(:x as {kind})", value)


async def test_a_range_of_sqlalchemy_is_refused_too(db: Database) -> None:
    """SQLAlchemy's own class is not the driver's: untyped, the driver does not take it at all."""
    with pytest.raises(DataAccessError):
        await _execute(db, "select cast(:x as tstzrange)", SQLAlchemyRange(NAIVE, None))


async def test_a_naive_time_in_a_list_of_parameters_is_refused(db: Database) -> None:
    """The list runs for all or none, through `execute`, a session, and the driver's own SQL."""
    rows = [{"x": ZONED}, {"x": NAIVE}]
    async with db.transaction() as session:
        await session.execute(text("create temp table due (at timestamptz, local timestamp) on commit drop"))
        insert_local = text("insert into due (local) values (:x)")
        await session.execute(insert_local, [{"x": NAIVE}, {"x": NAIVE}])
        for send in (
            lambda: session.execute(text("insert into due (at) values (:x)"), rows),
            lambda: _driver_many(session, [(ZONED,), (NAIVE,)]),
            lambda: _raw_many(session, [(ZONED,), (NAIVE,)]),
            lambda: _raw_once(session, NAIVE),
        ):
            with pytest.raises(InvalidInputError, match=REFUSED):
                async with session.begin_nested():
                    await send()
        await session.execute(text("insert into due (at) values (:x)"), [{"x": ZONED}] * 2)
        assert (await session.execute(text("select count(at), count(local) from due"))).one() == (2, 2)
    with pytest.raises(InvalidInputError, match=REFUSED):
        await db.execute(text("select cast(:x as timestamptz)"), rows)


async def _driver_many(session: Any, rows: list[tuple[Any]]) -> None:
    await (await session.connection()).exec_driver_sql("insert into due (at) values ($1)", rows)


async def _raw_many(session: Any, rows: list[tuple[Any]]) -> None:
    await (await _driver(session)).executemany("insert into due (at) values ($1)", rows)


async def _raw_once(session: Any, value: Any) -> None:
    await (await _driver(session)).execute("insert into due (at) values ($1)", value)


async def test_a_field_of_a_composite_is_typed_in_the_statement(db: Database) -> None:
    """The driver tells the type of the whole parameter only, so that a field is cast in SQL."""
    async with db.transaction() as session:
        await session.execute(text("create type pg_temp.span as (since timestamptz, note text)"))
        row = text("select (cast(row(cast(:x as timestamptz), 'a') as pg_temp.span)).since")
        with pytest.raises(InvalidInputError, match=REFUSED):
            async with session.begin_nested():
                await session.execute(row, {"x": NAIVE})
        assert (await session.execute(row, {"x": ZONED})).scalar_one() == ZONED


async def test_a_domain_over_timestamptz_is_one(db: Database) -> None:
    """The driver knows the domain's base type."""
    async with db.transaction() as session:
        await session.execute(text("create domain pg_temp.moment as timestamptz"))
        with pytest.raises(InvalidInputError, match=REFUSED):
            async with session.begin_nested():
                await session.execute(text("select cast(:x as pg_temp.moment)"), {"x": NAIVE})


async def test_a_refused_value_costs_no_connection(migrated_url: str) -> None:
    """Nothing was sent, so the connection serves the next call."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        for way in WAYS:
            before = await _execute(db, "select cast(:x as int) + pg_backend_pid()", 0)
            with pytest.raises(InvalidInputError):
                await way(db, SELECT, NAIVE)
            assert await _execute(db, "select cast(:x as int) + pg_backend_pid()", 0) == before


async def test_the_error_shows_no_value(db: Database) -> None:
    """What is refused may be private."""
    with pytest.raises(InvalidInputError) as refused:
        await _execute(db, SELECT, NAIVE)
    assert "2026" not in str(refused.value)
