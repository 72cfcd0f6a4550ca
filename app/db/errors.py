"""The errors of this layer, and the one place where a driver's errors become ours.

DataAccessError            everything below; `sqlstate`, `constraint_name`, `retryable`, the cause chained
├─ NotFoundError           the row is not there, or is somebody else's: the two cannot be told apart
├─ InvalidInputError       a value that the models or the database refuse
│  └─ InvalidCursorError   a cursor that no page of this list and this user ever gave out
├─ ConflictError           a unique value is taken
│  └─ StaleRowError        the row is no longer as the caller last read it
├─ MissingReferenceError   the row that should be referred to is not there, or is somebody else's
├─ TransientError          nothing was done; the same call may succeed later (`retryable` is true)
│  └─ PoolTimeoutError     all connections were in use for longer than the pool's timeout
├─ OutcomeUnknownError     the connection broke after a write was sent: it may or may not have happened
└─ ConfigurationError      the URL, the credentials, TLS or the schema are wrong: trying again does not help
"""

import re
from collections.abc import Iterator
from typing import ClassVar

import asyncpg
from sqlalchemy import exc as sa


class DataAccessError(Exception):
    """Whatever this layer raises; `sqlstate` and `constraint_name` where the database gave them."""

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, sqlstate: str | None = None, constraint_name: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint_name = constraint_name


class NotFoundError(DataAccessError):
    """The row is not there, or is somebody else's."""


class InvalidInputError(DataAccessError, ValueError):
    """A value is refused; the message names the field or the constraint."""


class InvalidCursorError(InvalidInputError):
    """The cursor is damaged, forged, or belongs to another list or user."""


class ConflictError(DataAccessError):
    """A unique value is taken."""


class StaleRowError(ConflictError):
    """The row has changed since the caller read it."""


class MissingReferenceError(DataAccessError):
    """The row referred to is not there, or is somebody else's; `constraint_name` is the foreign key's."""


class TransientError(DataAccessError):
    """Nothing was done, and the same call may succeed later."""

    retryable = True


class PoolTimeoutError(TransientError):
    """No connection came free within the pool's timeout."""


class OutcomeUnknownError(DataAccessError):
    """The connection broke after a write was sent: it may or may not have happened."""


class ConfigurationError(DataAccessError):
    """Something that only a person can mend: URL, credentials, TLS, schema, permissions."""


# By SQLSTATE, the longest prefix first: five characters name a condition, two its class.
_BY_SQLSTATE: dict[str, type[DataAccessError]] = {
    "23503": MissingReferenceError,
    "23505": ConflictError,
    "23P01": ConflictError,
    "23": InvalidInputError,
    "22": InvalidInputError,
    "40": TransientError,
    "55P03": TransientError,
    "57P": TransientError,
    "53300": TransientError,
    "08": TransientError,
    "28": ConfigurationError,
    "3D": ConfigurationError,
    "3F": ConfigurationError,
    "42": ConfigurationError,
}


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes: 57P01 hides two causes down (FAULTS)."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def translate(error: BaseException) -> DataAccessError | None:
    """Return our error for one of SQLAlchemy's; None for one that is ours already or not the database's."""
    if isinstance(error, sa.TimeoutError):
        return PoolTimeoutError(str(error).partition(" (Background")[0])
    if not isinstance(error, sa.StatementError):
        return None
    driver = next((cause for cause in chain(error) if isinstance(cause, asyncpg.PostgresError)), None)
    if driver is not None:
        return _from_server(driver)
    refused = not isinstance(error, sa.DBAPIError)  # SQLAlchemy could not even convert a value
    return (InvalidInputError if refused else TransientError)(_hidden(str(error.orig)))


def translate_connect(error: BaseException) -> DataAccessError:
    """Return our error for one raised while connecting: nothing was sent yet."""
    if isinstance(error, asyncpg.PostgresError):
        return _from_server(error)
    return TransientError(f"the database cannot be reached: {error or type(error).__name__}")


class translating:  # noqa: N801 - reads as a verb: `with translating():`
    """Raise ours for what SQLAlchemy raises inside; everything else passes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        ours = error and translate(error)
        if ours:
            raise ours from error


def _from_server(driver: asyncpg.PostgresError) -> DataAccessError:
    sqlstate = str(driver.sqlstate)
    kind = next((_BY_SQLSTATE[sqlstate[:n]] for n in (5, 3, 2) if sqlstate[:n] in _BY_SQLSTATE), DataAccessError)
    constraint = getattr(driver, "constraint_name", None)
    return kind(_hidden(driver.args[0]), sqlstate=sqlstate, constraint_name=constraint)


def _hidden(text: str) -> str:
    """Cut what carries values: the server's DETAIL, the driver's `query argument $1: 'value' (reason)`."""
    text = re.split(r"\n(?:DETAIL|CONTEXT|HINT):", text, maxsplit=1)[0]
    return re.sub(r"(query argument \$\d+): .* (\(.*\))$", r"\1 \2", text, flags=re.DOTALL)


def hide_values(error: BaseException) -> None:
    """Take the row's values out of the texts of `error` and its causes: messages are private."""
    for cause in chain(error):
        cause.args = tuple(_hidden(arg) if isinstance(arg, str) else arg for arg in cause.args)
        if hasattr(cause, "pgcode") or isinstance(cause, asyncpg.PostgresError):
            vars(cause)["detail"] = None
