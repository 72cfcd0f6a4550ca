"""A write that also returns its transaction, and a read that first asks whether the replica has what it must see."""

from collections.abc import Sequence
from enum import IntEnum
from functools import cache, partial
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.sql import visitors
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import ForUpdateArg

from app.db.query import Query
from app.db.replicas.identity import SERVER
from app.db.replicas.mark import Stamp
from app.db.rows import Decoder, decoder_of

Row = TypeVar("Row")

XIDS: Final = "replica_xids"
_STAMP: Final = "replica_stamp"
_CODE: Final = "replica_code"
_NUMBER: Final = "cast(cast({} as text) as bigint)"
_CURRENT: Final = sa.literal_column(f"pg_catalog.concat(pg_catalog.pg_current_xact_id(), ' ', {SERVER})", sa.Text)
_VERDICTS: Final = 16
_LONGEST_LAG: Final = 2**26 - 1
"""In milliseconds, 18 hours; the verdict, the lag and the server share one number."""
_SERVERS: Final = 2**32


class Verdict(IntEnum):
    """What a replica says of the transactions that a read must see."""

    CURRENT = 1
    """The statement's snapshot has them: the rows are in the answer."""
    APPLIED = 2
    """They are applied, but perhaps since the snapshot: the next statement on this connection sees them."""
    BEHIND = 3
    PROMOTED = 4
    """It is no longer a replica."""


# The snapshot is taken when the statement begins. Everything below its xmin had ended by then, and a replica knows of
# every transaction below it. Beyond, pg_xact_status tells of the moment in which it is called, which is later; it
# raises for a transaction that the replica has not heard of, of which there is none below xmax.
_GUARD: Final = sa.text(f"""
select case
  when not pg_catalog.pg_is_in_recovery() then {Verdict.PROMOTED}
  when coalesce(pg_catalog.bool_and(xid < xmin), true) then {Verdict.CURRENT}
  when pg_catalog.bool_and(case
    when xid < xmin then true
    when xid < xmax then pg_catalog.pg_xact_status(cast(cast(xid as text) as xid8)) <> 'in progress'
    else false end) then {Verdict.APPLIED}
  else {Verdict.BEHIND} end + {_VERDICTS} * least({_LONGEST_LAG}, coalesce(case
    when pg_catalog.pg_last_wal_receive_lsn() <= pg_catalog.pg_last_wal_replay_lsn() then 0
    else cast(1000.0 * greatest(0, extract(epoch from
      pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())) as bigint) end, 0))
  + cast({_VERDICTS * (_LONGEST_LAG + 1)} as bigint) * ({SERVER} % cast({_SERVERS} as bigint)) as code
from (select {_NUMBER.format("pg_catalog.pg_snapshot_xmin(now)")} as xmin,
    {_NUMBER.format("pg_catalog.pg_snapshot_xmax(now)")} as xmax
  from pg_catalog.pg_current_snapshot() as now) as snapshot
left join pg_catalog.unnest(:{XIDS}) as xid on true""")  # noqa: S608 - constants


class Marked(list[Row], Generic[Row]):
    """The rows of a write, and its transaction; None where there are no rows to tell."""

    stamp: Stamp | None = None


class Guarded(list[Row], Generic[Row]):
    """The rows of a read on a replica, and what it says of them: they are those of the query if it is `CURRENT`."""

    verdict: Verdict = Verdict.BEHIND
    lag_seconds: float = 0.0
    server: int = 0


@cache
def marked(query: Query[Row]) -> Query[Row]:
    """Return the write with its transaction's id in a last column; the same query where it has no place for one."""
    statement = _with_column(query.statement, _CURRENT.label(_STAMP))
    if statement is None:
        return query
    return query.restated(statement, partial(_decode_marked, decoder_of(query.row, query.statement, last=_STAMP)))


@cache
def guarded(query: Query[Row]) -> Query[Row] | None:
    """Return the read as one that has rows only where the replica is current; None if no replica can run it.

    `OFFSET 0` keeps the condition where it is decided once, before the query's own plan, which stays what it was.
    """
    statement = query.statement
    if not isinstance(statement, sa.Select | sa.CompoundSelect) or not _has_columns(statement) or _locks(statement):
        return None
    typed = _GUARD.bindparams(sa.bindparam(XIDS, type_=sa.ARRAY(sa.BigInteger)))
    guard = typed.columns(code=sa.BigInteger).cte("replica").prefix_with("MATERIALIZED")
    code = sa.select(guard.c.code).scalar_subquery()
    found = statement.subquery("found")
    current: sa.ColumnElement[int] = sa.literal_column(str(int(Verdict.CURRENT)))
    is_current = code % sa.literal_column(f"cast({_VERDICTS} as bigint)") == current
    there = sa.literal_column("1", sa.BigInteger).label("there")
    rows = sa.select(*found.c, there).where(is_current).offset(sa.literal_column("0")).subquery("rows")
    always = sa.select(sa.literal_column("1").label("one")).subquery("always")
    columns = [column for column in rows.c if column.name != "there"]
    signed = sa.case((rows.c.there.is_not(None), code), else_=-code).label(_CODE)
    decode = decoder_of(query.row, statement, last=_CODE)
    return query.restated(
        sa.select(*columns, signed).select_from(always.outerjoin(rows, sa.true())), partial(_decode_guarded, decode)
    )


def told(server: int) -> int:
    """Return what an answer tells of this server."""
    return server % _SERVERS


def _with_column(statement: sa.Executable, column: sa.ColumnElement[Any]) -> sa.Executable | None:
    if isinstance(statement, UpdateBase) and list(statement.exported_columns):
        return statement.returning(column)
    if isinstance(statement, sa.Select):
        return statement.add_columns(column)
    if isinstance(statement, sa.CompoundSelect) and _has_columns(statement):
        rows = statement.subquery("rows")
        return sa.select(*rows.c, column)
    return None


def _has_columns(statement: Any) -> bool:
    """Return whether each column can be named from outside, as a plain text cannot."""
    if isinstance(statement, sa.CompoundSelect):
        return all(map(_has_columns, statement.selects))
    return isinstance(statement, sa.Select) and all(
        isinstance(each, sa.ColumnElement) for each in statement.inner_columns
    )


def _locks(statement: Any) -> bool:
    return any(isinstance(part, ForUpdateArg) for part in visitors.iterate(statement))


def _decode_marked(decode: Decoder[Row], records: Sequence[Any]) -> list[Row]:
    rows = Marked(decode(records))
    rows.stamp = Stamp(*map(int, records[-1][_STAMP].split())) if records else None
    return rows


def _decode_guarded(decode: Decoder[Row], records: Sequence[Any]) -> list[Row]:
    code: int = records[0][_CODE]
    rows: Guarded[Row] = Guarded(decode(records if code > 0 else ()))
    rows.verdict = Verdict(abs(code) % _VERDICTS)
    rows.lag_seconds = abs(code) // _VERDICTS % (_LONGEST_LAG + 1) / 1000
    rows.server = abs(code) // (_VERDICTS * (_LONGEST_LAG + 1))
    return rows
