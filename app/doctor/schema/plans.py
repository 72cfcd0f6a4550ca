"""Examine how the database would run each query of the repositories."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Cast, Enum, Executable
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ClauseElement, visitors

from app.db.driver.sqlstates import MISSING_RIGHT
from app.db.engine.dialect import LeanDialect
from app.db.errors import ConfigurationError
from app.doctor.findings import Finding, error, note, ok, warning
from app.doctor.measuring.explain import Plan, explain
from app.doctor.subject import Checks, Subject, table_names
from app.repositories import queries

_MANY_ROWS: Final = 10_000
_NOT_SUPPORTED: Final = "0A000"
_ROWS: Final = """
select relname, greatest(cast(reltuples as float8), cast(pg_stat_get_live_tuples(oid) as float8)) as rows,
  cast(reltuples as float8) < cast(0 as float8) as never_analyzed
from pg_class where relname = any(:tables) and pg_table_is_visible(oid)"""
_ANY_VALUE: Final[Mapping[type, Any]] = {
    bool: False,
    bytes: b"",
    date: date(2026, 1, 1),
    datetime: datetime(2026, 1, 1, tzinfo=UTC),
    Decimal: Decimal(1),
    float: 1.0,
    int: 1,
    str: "x",  # the planner refuses one that is longer than its column
    time: time(12),
    timedelta: timedelta(days=1),
    UUID: UUID(int=1),
}


def statements() -> dict[str, Executable]:
    """Return the statements of the repositories' queries by name: ``tasks.page``."""
    return {name: query.statement for name, query in queries().items()}


def any_parameters(statement: Executable) -> dict[str, Any]:
    """Return a value for each parameter that `statement` needs: only the plan's shape matters, not the rows.

    The planner reads a value of an enum, so that it must be one of the type's.
    """
    assert isinstance(statement, ClauseElement)
    compiled: Any = statement.compile(dialect=LeanDialect())
    casts: Any = (each for each in visitors.iterate(statement) if isinstance(each, Cast))
    members = {each.clause: each.type.enums[0] for each in casts if isinstance(each.type, Enum)}
    binds = {name: bind for name, bind in compiled.binds.items() if bind.required}
    return {name: members.get(bind) or _any_value(bind.type) for name, bind in binds.items()}


def _any_value(type_: Any) -> Any:
    return [_any_value(type_.item_type)] if isinstance(type_, ARRAY) else _ANY_VALUE[type_.python_type]


async def _plans(subject: Subject) -> list[Finding]:
    if not await subject.is_readable():
        return []
    rows = await subject.rows(_ROWS, tables=table_names())
    large = {row["relname"] for row in rows if row["rows"] > _MANY_ROWS}
    findings = [
        note("plans.statistics", f"{row['relname']} was never analyzed", f"analyze {row['relname']};")
        for row in rows
        if row["never_analyzed"] and row["relname"] in large
    ]
    await subject.pause()
    async with subject.db.engine.connect() as connection:
        # Nothing runs, so there is nothing to roll back; a rollback would triple each statement's round trips.
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for name, query in queries().items():
            statement = query.statement_for(sharded=subject.settings.sharded)
            findings.append(await _explained(f"plans.{name}", connection, statement, large))
    return findings


async def _explained(check: str, connection: AsyncConnection, statement: Executable, large: set[str]) -> Finding:
    try:
        plan = await explain(connection, statement, any_parameters(statement))
    except ConfigurationError as problem:
        if problem.sqlstate == MISSING_RIGHT:
            return note(check, f"EXPLAIN is not permitted: {problem}", "See access.privileges.")
        if problem.sqlstate == _NOT_SUPPORTED:
            return note(check, f"cannot be explained on shards: {problem}", "See sharding.setting.")
        return error(check, f"fails on this schema: {problem}", "See schema.revision and schema.drift.")
    return _judged(check, plan, large)


def _judged(check: str, plan: Plan, large: set[str]) -> Finding:
    slow = ", ".join(sorted(large & set(plan.scanned)))
    if slow:
        advice = f"analyze {slow}; if that does not help, see schema.indexes."
        return warning(check, f"sequential scan on {slow}, which has more than {_MANY_ROWS:,} rows", advice)
    if plan.scanned:
        return ok(check, f"sequential scan on {', '.join(sorted(set(plan.scanned)))}, which is small")
    if "Function Scan" in plan.nodes and not plan.indexes:
        return ok(check, "a function, whose statements EXPLAIN does not show")
    return ok(check, ", ".join(dict.fromkeys(plan.indexes)) or "no index: it only inserts")


CHECKS: Checks = {
    "plans.statements": _plans,
}
