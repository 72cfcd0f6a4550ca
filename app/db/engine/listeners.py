"""What is listened to on an engine: errors, and with `echo` the time of statements."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from app.db.driver.redaction import hide_values
from app.db.driver.sqlstates import OF_THE_DRIVER, REPLACE_CONNECTION, sqlstate_of
from app.db.errors import DataAccessError
from app.db.pool.pool import Pool
from app.db.target.settings import DatabaseSettings

Advise = Callable[[str | None, str], str | None]
_NO_SUCH_STATEMENT: Final = "26000"


def attach(engine: Engine, settings: DatabaseSettings, pool: Pool | None) -> None:
    """Listen to `engine`, whose connections are those of `pool` if there is one."""
    event.listen(engine, "handle_error", partial(_judge_connection, pool), retval=True)
    if not settings.echo_parameters:
        event.listen(engine, "handle_error", _hide_values)
        logging.getLogger("sqlalchemy.engine.Engine").addFilter(_is_no_row)
    if settings.echo:
        event.listen(engine, "before_cursor_execute", _start_timing)
        event.listen(engine, "after_cursor_execute", _log_timing)


def add_advice(engine: Engine, advise: Advise) -> None:
    """Have SQLAlchemy's errors show what removes their cause: a plain session raises them unchanged."""

    def note(context: ExceptionContext) -> None:
        error, sqlstate = context.sqlalchemy_exception, sqlstate_of(context.original_exception)
        driver = context.original_exception.__cause__
        if error is not None and driver is not None and (advice := advise(sqlstate, str(driver.args[0]))):
            error.add_detail(advice)

    event.listen(engine, "handle_error", note)


def _judge_connection(pool: Pool | None, context: ExceptionContext) -> DBAPIError | None:
    """Decide which connections to discard after an error, and give what is not the driver's a SQLAlchemy class.

    A connection that broke is one connection: the others are checked when they are taken out of the pool. Only a
    server that became read-only makes all of them useless at once.
    """
    error = context.original_exception
    context.invalidate_pool_on_disconnect = False  # SQLAlchemy has no pool of its own here
    if sqlstate_of(error) in REPLACE_CONNECTION:
        context.is_disconnect = True
        if pool is not None:
            pool.replace_all()
        return None
    if sqlstate_of(error) == _NO_SUCH_STATEMENT:
        context.is_disconnect = True  # SQLAlchemy would execute it on this connection again and again
        return None
    if isinstance(error, OSError):
        context.is_disconnect = True  # after a timeout its next answer may be the last one's
        reason = error if str(error) else type(error)("no answer in time")
        return OperationalError(context.statement, None, reason, hide_parameters=True, connection_invalidated=True)
    if _is_unreadable(context):
        context.is_disconnect = True  # the driver stopped in the middle of an answer
        return DataError(context.statement, None, error, hide_parameters=True, connection_invalidated=True)
    return None


def _is_unreadable(context: ExceptionContext) -> bool:
    """Return whether a value in the answer cannot be held in Python: a time before Christ, bytes that are no UTF-8."""
    error = context.original_exception
    ours_or_theirs = (*OF_THE_DRIVER, context.dialect.loaded_dbapi.Error, DataAccessError)
    executing = context.execution_context is not None
    return executing and isinstance(error, Exception) and not isinstance(error, ours_or_theirs)


def _hide_values(context: ExceptionContext) -> None:
    for error in (context.original_exception, context.sqlalchemy_exception):  # not chained yet
        if error is not None:
            hide_values(error)


def _is_no_row(record: logging.LogRecord) -> bool:
    """At DEBUG SQLAlchemy logs every row that it reads; `hide_parameters` hides only what is sent."""
    return not str(record.msg).startswith("Row ")


def _start_timing(connection: Connection, *_: object) -> None:
    connection.info["statement_began"] = time.perf_counter()


def _log_timing(connection: Connection, *_: object) -> None:
    connection.engine.logger.info("%.1f ms", (time.perf_counter() - connection.info["statement_began"]) * 1000)
