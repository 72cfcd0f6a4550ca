"""What each SQLSTATE means, and the one place where asyncpg's errors become ours."""

import re
from typing import TYPE_CHECKING, Final

import asyncpg

from app.db.driver.redaction import DEPENDED_ON, chain, without_values
from app.db.errors import (
    ConfigurationError,
    ConflictError,
    DataAccessError,
    InvalidInputError,
    MissingReferenceError,
    NotDoneError,
    OutOfResourcesError,
    StatementTimeoutError,
    TransientError,
    UnavailableError,
)

if TYPE_CHECKING:
    from app.db.driver.neon import Reason


class _Lost(DataAccessError):  # noqa: N818 - never raised
    """A placeholder in the table below for errors that depend on when they occur: see `translate_driver`."""


# Five characters name a condition, two its class; the longest match counts. TransientError is retried, since the server
# has undone the statement. _Lost is retried if running the statement twice is harmless. Nothing else is retried. Any
# other code is a NotDoneError: the server has undone the statement for which it reports an error.
BY_SQLSTATE: dict[str, type[DataAccessError]] = {
    "40001": TransientError,  # serialization failure
    "40P01": TransientError,  # deadlock
    "55P03": TransientError,  # lock timeout
    "25006": TransientError,  # the server became read-only; the connection is replaced
    "25P03": TransientError,  # idle in transaction for too long; the connection is replaced
    "57P05": TransientError,  # idle for too long; nothing had begun
    "26000": TransientError,  # the prepared statement is on another server
    "53300": UnavailableError,  # too many connections
    "57P03": UnavailableError,  # starting up
    "57P01": _Lost,  # ended by an administrator, or the server was suspended
    "57P02": _Lost,  # the server crashed
    "40003": _Lost,  # completion unknown
    "08": _Lost,  # poolers use 08P01 for everything (see `_NOT_BEGUN`)
    "57014": StatementTimeoutError,
    "25P04": StatementTimeoutError,  # timeout of the whole transaction
    "25P02": NotDoneError,  # an earlier statement of the transaction failed, and its error was caught
    "53": OutOfResourcesError,  # disk full, out of memory, a configured limit
    "23503": MissingReferenceError,
    "23505": ConflictError,
    "23P01": ConflictError,
    "23": InvalidInputError,
    "22": InvalidInputError,
    "0A": ConfigurationError,
    "28": ConfigurationError,
    "3D": ConfigurationError,
    "3F": ConfigurationError,
    "42": ConfigurationError,
}
REPLACE_CONNECTION = frozenset({"25006", "25P03"})
"""After these a connection still answers, but cannot write."""

OF_THE_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
DRIVER_ERRORS = (*OF_THE_DRIVER, OSError)
"""What asyncpg raises; only this file and `connect` name these errors."""

MISSING_RIGHT: Final = "42501"
"""The role may not do what the statement does."""
_CONNECTION_LOST: Final = "08003"
_TOO_MANY_CONNECTIONS: Final = "53300"
# Patterns are compiled when they are first needed: all of them take a tenth of the import.
_LOGIN_REFUSED: Final = "(?i)(password|sasl) authentication failed"
# The server ends the connection with these; whether a running COMMIT was done is unknown.
_ENDS_CONNECTION: Final = {"FATAL", "PANIC"}
# Texts that PgBouncer sends with 08P01 and that waiting does not fix.
_POOLER_REFUSES: Final = (
    "(?i)startup parameter|no such (database|user)|does not exist|authentication failed|(SSL|TLS).* required"
    "|login rejected"
)
# Its texts while a statement still waits for a server; after any other ("server conn crashed?") it may be committed.
_NOT_BEGUN: Final = "query_wait_timeout|login has been failing|cannot connect to server|no more connections"
# Classes with which a server refuses a connection while it is overloaded, starting, copied from, broken or slow.
_MAY_PASS: Final = ("08", "53", "55006", "57", "58", "XX")
_LONGEST_LIST: Final = 500
_LOST_TEXT: Final = "the connection broke while the statement ran"


def sqlstate_of(error: BaseException) -> str | None:
    """Return the server's code for `error`, or for the first of its causes that has one."""
    codes = [cause.sqlstate for cause in chain(error) if isinstance(cause, asyncpg.PostgresError)]
    # When the server ends a running statement, asyncpg raises 08003, with the server's own error as its cause.
    return next((code for code in codes if code != _CONNECTION_LOST), codes[0] if codes else None)


def translate_connect(error: BaseException, place: str, *, password_advice: str | None = None) -> DataAccessError:
    """Return our error for one of `DRIVER_ERRORS`, raised while connecting to `place`, before anything was sent.

    `password_advice` replaces the usual advice when the password is refused.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _refusal(error, place, password_advice)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return UnavailableError(f"{place}: the server does not match target_session_attrs")
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return ConfigurationError(f"{place}: the driver cannot understand the server: {error}")
    if "rejected SSL" in str(error):
        return ConfigurationError(
            f"{place}: the server does not offer TLS; enable it there, or, only on a trusted network, "
            "write sslmode=disable"
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return UnavailableError(f"{place}: the database cannot be reached: {reason}")


def may_connect_soon(error: BaseException) -> bool:
    """Return whether connecting may succeed within seconds after it failed with `error`."""
    reasons = map(_reason, chain(error))
    return isinstance(error, UnavailableError) and not any(reason.passes_later for reason in reasons if reason)


def is_out_of_connections(error: BaseException) -> bool:
    """Return whether the server refused a connection because it has reached its limit."""
    return getattr(error, "sqlstate", None) == _TOO_MANY_CONNECTIONS


def _reason(error: BaseException) -> "Reason | None":
    if not isinstance(error, asyncpg.PostgresError):
        return None
    from app.db.driver.neon import find_reason  # noqa: PLC0415 - its tables are for a server that refuses

    return find_reason(str(error.sqlstate), str(error.args[0]))


def _refusal(error: asyncpg.PostgresError, place: str, password_advice: str | None) -> DataAccessError:
    from app.db.driver.permissions import remedy_of  # noqa: PLC0415 - likewise

    sqlstate, text = str(error.sqlstate), without_values(str(error.args[0]))
    reason = _reason(error)
    if reason:
        kind = ConfigurationError if reason.needs_a_fix else UnavailableError
    else:
        refused = sqlstate == "08P01" and re.search(_POOLER_REFUSES, text)
        kind = UnavailableError if sqlstate.startswith(_MAY_PASS) and not refused else ConfigurationError
    advice = reason.advice if reason else None
    if password_advice and re.search(_LOGIN_REFUSED, text):
        advice = password_advice
    advice = advice or remedy_of(sqlstate, text, role=place.partition("@")[0], connecting=True)
    return kind(f"{place}: {text}", sqlstate=(reason and reason.sqlstate) or sqlstate, advice=advice)


def translate_driver(error: BaseException, *, lost: type[DataAccessError]) -> DataAccessError:
    """Return our error for one that asyncpg raised for a statement; `lost` as in `app.db.engine.translation`."""
    if (sqlstate := sqlstate_of(error)) is not None:
        return _from_server(error, sqlstate, lost)
    if isinstance(error, asyncpg.InterfaceError):
        return _from_interface(error)
    # asyncpg raises this when the connection is already closing, before it sends anything.
    unsent = any("cannot switch to state" in str(cause) for cause in chain(error))
    return (TransientError if unsent else lost)(f"{_LOST_TEXT} ({without_values(str(error)) or 'no answer in time'})")


def _from_interface(error: asyncpg.InterfaceError) -> DataAccessError:
    """Return the error for what asyncpg refuses to send."""
    text = without_values(str(error))
    if "closed" in text or "released" in text:
        return TransientError("the connection was closed before the statement was sent")
    if "another operation is in progress" in text:
        return DataAccessError("one session is used by two tasks at once: give each task its own")
    return DataAccessError(f"the driver cannot send the statement: {text}")


def _from_server(error: BaseException, sqlstate: str, lost: type[DataAccessError]) -> DataAccessError:
    reported = [cause for cause in chain(error) if isinstance(cause, asyncpg.PostgresError)]
    driver = next(cause for cause in reported if cause.sqlstate == sqlstate)
    kind = next((BY_SQLSTATE[sqlstate[:n]] for n in (5, 2) if sqlstate[:n] in BY_SQLSTATE), NotDoneError)
    constraint = next((name for cause in chain(error) if (name := getattr(cause, "constraint_name", None))), None)
    text = without_values(str(driver.args[0]))
    if sqlstate == DEPENDED_ON and driver.detail:
        text = f"{text}: {driver.detail[:_LONGEST_LIST]}"
    if sqlstate == "08P01" and re.search(_NOT_BEGUN, text):
        return TransientError(f"the pooler has no server: {text}", sqlstate=sqlstate)
    if any(isinstance(cause, asyncpg.InvalidCachedStatementError) for cause in reported):
        return TransientError(text, sqlstate=sqlstate)  # a table was changed; the retry plans it anew
    fatal = driver.severity_en in _ENDS_CONNECTION and issubclass(kind, NotDoneError)
    if kind is _Lost or fatal:
        return lost(f"{_LOST_TEXT} ({text})", sqlstate=sqlstate)
    return kind(text, sqlstate=sqlstate, constraint_name=constraint)
