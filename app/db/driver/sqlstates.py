"""What each SQLSTATE means, and the one place where the driver's errors become ours."""

import re

import asyncpg

from app.db.driver.redaction import chain, hidden
from app.db.errors import (
    ConfigurationError,
    ConflictError,
    DataAccessError,
    InvalidInputError,
    MissingReferenceError,
    StatementTimeoutError,
    TransientError,
    UnavailableError,
)


class _Lost(DataAccessError):  # noqa: N818 - never raised
    """Stands in the table below for what depends on the moment: see `translate`."""


# What each SQLSTATE means, the longest prefix first: five characters name a condition, two its class (FAULTS, "When to
# retry"). TransientError is retried always: the server undid the statement. _Lost is retried if repeating is harmless.
# Everything else is never retried.
BY_SQLSTATE: dict[str, type[DataAccessError]] = {
    "40001": TransientError,  # serialization failure
    "40P01": TransientError,  # deadlock
    "55P03": TransientError,  # lock timeout
    "25006": TransientError,  # the server became read-only: the connection is replaced
    "25P03": TransientError,  # idle in transaction for too long: likewise
    "57P05": TransientError,  # idle for too long: nothing had begun
    "26000": TransientError,  # a prepared statement that another server has
    "53300": UnavailableError,  # too many connections
    "57P03": UnavailableError,  # starting up
    "57P01": _Lost,  # ended by an administrator, or asleep
    "57P02": _Lost,  # the server crashed
    "40003": _Lost,  # completion unknown
    "08": _Lost,  # 08P01 is whatever a pooler has to say (see `_NOT_BEGUN`)
    "57014": StatementTimeoutError,
    "25P04": StatementTimeoutError,  # of the whole transaction
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
"""After these the connection works, but for nothing that matters."""

OF_THE_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
DRIVER_ERRORS = (*OF_THE_DRIVER, OSError)
"""What asyncpg raises: the only place outside `connect` that names it."""

_CONNECTION_LOST = "08003"
# Neon's proxy has one code for everything, poolers one for much: only words tell what waiting cannot mend (FACTS).
_NEVER = {
    "XX000": "password authentication failed|endpoint (cannot|could not) be found|endpoint is disabled|quota"
    "|not allowed|endpoint ID is not specified|inconsistent project",
    "08P01": "startup parameter|no such (database|user)|does not exist|authentication failed|(SSL|TLS).* required"
    "|login rejected",
}
# Said while a statement waits for a server; after anything else ("server conn crashed?") it may have been committed.
_NOT_BEGUN = re.compile("query_wait_timeout|login has been failing|cannot connect to server|no more connections")
_LOST_TEXT = "the connection broke while the statement ran"


def sqlstate_of(error: BaseException) -> str | None:
    """Return the server's code for `error` or for the first of its causes that has one."""
    codes = [cause.sqlstate for cause in chain(error) if isinstance(cause, asyncpg.PostgresError)]
    # On a kill in flight the driver says 08003, and what the server said is its cause.
    return next((code for code in codes if code != _CONNECTION_LOST), codes[0] if codes else None)


# What a server answers a connection with while it is overloaded, starting, copied from, broken or slow.
_WAITING_MAY_MEND = ("08", "53", "55006", "57", "58", "XX")


def translate_connect(error: BaseException, place: str) -> DataAccessError:
    """Return our error for one of `DRIVER_ERRORS`, raised while connecting to `place`: nothing was sent yet."""
    if isinstance(error, asyncpg.PostgresError):
        return _refusal(error, place)
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return UnavailableError(f"{place}: the server is not what target_session_attrs asks for")
    if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
        return ConfigurationError(f"{place}: the driver and the server do not understand each other: {error}")
    if "rejected SSL" in str(error):
        return ConfigurationError(
            f"{place}: the server does not offer TLS; turn it on there, or, only if the network between is trusted, "
            "write sslmode=disable"
        )
    reason = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
    return UnavailableError(f"{place}: the database cannot be reached: {reason}")


def _refusal(error: asyncpg.PostgresError, place: str) -> DataAccessError:
    sqlstate, text = str(error.sqlstate), hidden(str(error.args[0]))
    never = sqlstate in _NEVER and re.search(_NEVER[sqlstate], text, re.IGNORECASE)
    kind = UnavailableError if sqlstate.startswith(_WAITING_MAY_MEND) and not never else ConfigurationError
    return kind(f"{place}: {text}", sqlstate=sqlstate)


def translate_driver(error: BaseException, *, lost: type[DataAccessError]) -> DataAccessError:
    """Return our error for one that the driver raised for a statement; `lost` as in `app.db.engine.translation`."""
    if (sqlstate := sqlstate_of(error)) is not None:
        return _from_server(error, sqlstate, lost)
    if isinstance(error, asyncpg.InterfaceError):
        return TransientError("the connection was closed before the statement was sent")
    # So the driver says that it had heard of the end, but not seen it yet, and sent nothing.
    unsent = any("cannot switch to state" in str(cause) for cause in chain(error))
    return (TransientError if unsent else lost)(f"{_LOST_TEXT} ({hidden(str(error)) or 'no answer in time'})")


def _from_server(error: BaseException, sqlstate: str, lost: type[DataAccessError]) -> DataAccessError:
    driver = next(cause for cause in chain(error) if getattr(cause, "sqlstate", None) == sqlstate)
    kind = next((BY_SQLSTATE[sqlstate[:n]] for n in (5, 2) if sqlstate[:n] in BY_SQLSTATE), DataAccessError)
    constraint = next((name for cause in chain(error) if (name := getattr(cause, "constraint_name", None))), None)
    text = hidden(str(driver.args[0]))
    if sqlstate == "08P01" and _NOT_BEGUN.search(text):
        return TransientError(f"the pooler has no server: {text}", sqlstate=sqlstate)
    if any(isinstance(cause, asyncpg.InvalidCachedStatementError) for cause in chain(error)):
        return TransientError(text, sqlstate=sqlstate)  # a table was changed: the next try plans anew
    if kind is _Lost:
        return lost(f"{_LOST_TEXT} ({text})", sqlstate=sqlstate)
    return kind(text, sqlstate=sqlstate, constraint_name=constraint)
