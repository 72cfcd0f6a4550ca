"""What is listened to on an engine: errors, and with `echo` the time of statements."""

import logging
import time
from typing import Final

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import OperationalError

from app.db.driver.redaction import hide_values
from app.db.driver.sqlstates import REPLACE_CONNECTION, sqlstate_of
from app.db.target.settings import DatabaseSettings

_NO_SUCH_STATEMENT: Final = "26000"


def attach(engine: Engine, settings: DatabaseSettings) -> None:
    """Listen to `engine`."""
    event.listen(engine, "handle_error", _judge_connection, retval=True)
    if not settings.echo_parameters:
        event.listen(engine, "handle_error", _hide_values)
        logging.getLogger("sqlalchemy.engine.Engine").addFilter(_is_no_row)
    if settings.echo:
        event.listen(engine, "before_cursor_execute", _start_timing)
        event.listen(engine, "after_cursor_execute", _log_timing)


def _judge_connection(context: ExceptionContext) -> OperationalError | None:
    """Decide which connections to discard after an error, and give a timeout or reset a SQLAlchemy class.

    A connection that broke is one connection: the others are looked at when they are taken out of the pool. Only a
    server that became read-only makes all of them useless at once.
    """
    error = context.original_exception
    if sqlstate_of(error) in REPLACE_CONNECTION:
        context.is_disconnect = True
        return None
    context.invalidate_pool_on_disconnect = False
    if sqlstate_of(error) == _NO_SUCH_STATEMENT:
        context.is_disconnect = True  # SQLAlchemy would ask this connection for it again and again
        return None
    if not isinstance(error, OSError):
        return None
    context.is_disconnect = True  # after a timeout nobody knows what the connection would answer next
    reason = error if str(error) else type(error)("no answer in time")
    return OperationalError(context.statement, None, reason, hide_parameters=True, connection_invalidated=True)


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
