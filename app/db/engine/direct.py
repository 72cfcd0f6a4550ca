"""Statements that SQLAlchemy writes once and the driver then runs by itself.

For the constant statements of the repositories: SQLAlchemy's connection, cursor and result cost each call three times
what the driver does (docs/decisions).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Executable
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql import ClauseElement

from app.db.driver.cancellation import hang_up, undisturbed
from app.db.driver.redaction import hide_values
from app.db.driver.sqlstates import DRIVER_ERRORS, REPLACE_CONNECTION, sqlstate_of, translate_driver
from app.db.engine.dialect import LeanDialect
from app.db.errors import DataAccessError, KeyedOutcomeUnknownError, OutcomeUnknownError, TransientError
from app.db.pool.pool import FairPool

Rows = Sequence[Any]  # mappings of column names: asyncpg's Records, or SQLAlchemy's, whose keys are typed otherwise
PINNED: Final = {"pinned": True}
"""The option of a statement that pins the types of its result: see the dialect."""
_KEPT_STATEMENTS = 500
_dialect = LeanDialect()


@dataclass(frozen=True, slots=True)
class Written:
    """A statement as the driver takes it."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, Any]
    lost: type[DataAccessError]
    """What it means that the connection broke while it ran."""

    def arguments(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Return the values in the order of `sql`."""
        values = {**self.constants, **parameters}
        return [values[name] for name in self.names]


def lost_by(options: Mapping[str, Any]) -> type[DataAccessError]:
    """Return what it means that the connection broke while a statement with these execution options ran."""
    if not options.get("repeatable"):
        return OutcomeUnknownError
    return KeyedOutcomeUnknownError if options.get("keyed") else TransientError


@lru_cache(_KEPT_STATEMENTS)
def write(statement: Executable) -> Written:
    """Return `statement` in SQL; its types must be such that the driver takes and gives the values as they are."""
    assert isinstance(statement, ClauseElement)
    compiled: Any = statement.compile(dialect=_dialect)
    return Written(
        sql=compiled.string,
        names=tuple(compiled.positiontup),
        constants={name: bind.value for name, bind in compiled.binds.items() if not bind.required},
        lost=lost_by(statement.get_execution_options()),
    )


async def fetch(pool: FairPool, statement: Written, parameters: Mapping[str, Any]) -> Rows:
    """Run `statement` once, in one round trip, as a transaction of its own. Raises a `DataAccessError`."""
    arguments = statement.arguments(parameters)
    record = await pool.take()
    try:
        prepared = record.info.get(statement.sql) or await _prepare(record, statement.sql)
        rows: Rows = await prepared.fetch(*arguments)
    except DRIVER_ERRORS as error:
        await _judge(pool, record, error)
        raise translate_driver(error, lost=statement.lost) from error
    except asyncio.CancelledError:
        await undisturbed(hang_up(_driver(record)))
        raise
    except BaseException as error:
        _driver(record).terminate()  # nobody knows what it would answer next, and nobody may be left to wait
        if isinstance(error, Exception):  # a time before Christ, bytes that are no UTF-8
            raise DataAccessError(f"the answer cannot be read ({type(error).__name__}); a write was done") from error
        raise
    else:
        return rows
    finally:
        pool.give_back(record)


async def _prepare(record: ConnectionPoolEntry, sql: str) -> Any:
    # Kept here and not by the driver: through a pooler it keeps none, and would ask twice each time.
    prepared = record.info[sql] = await _driver(record).prepare(sql)
    return prepared


async def _judge(pool: FairPool, record: ConnectionPoolEntry, error: Exception) -> None:
    record.info.clear()  # what was prepared may be why
    hide_values(error)
    if sqlstate_of(error) is None:  # after a timeout, or out of step: nobody knows what it would answer next
        await undisturbed(hang_up(_driver(record)))
    if sqlstate_of(error) in REPLACE_CONNECTION:
        pool.replace_all()


def _driver(record: ConnectionPoolEntry) -> Any:
    return record.driver_connection
