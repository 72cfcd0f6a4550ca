"""The errors of this layer.

DataAccessError            everything below; `sqlstate`, `constraint_name`, `retryable`, the cause chained
├─ NotFoundError           the row is not there, or is somebody else's: the two cannot be told apart
├─ InvalidInputError       a value that the models or the database refuse
│  └─ InvalidCursorError   a cursor that no page of this list and this user ever gave out
├─ ConflictError           a unique value is taken
│  └─ StaleRowError        the row is no longer as the caller last read it
├─ MissingReferenceError   the row that should be referred to is not there, or is somebody else's
├─ TransientError          nothing was done; the same call may succeed later (`retryable` is true)
│  ├─ UnavailableError     no connection could be made: refused, asleep, starting up, too many connections
│  └─ PoolTimeoutError     all connections were in use for longer than the pool's timeout
├─ NotDoneError            the server reported an error and undid the statement and its transaction: nothing was done
│  └─ OutOfResourcesError  disk, memory or a configured limit of the server is used up: nothing was done
├─ StatementTimeoutError   the statement took longer than it may and was ended: nothing was done
├─ OutcomeUnknownError     the connection broke after a write was sent: it may or may not have happened
│  └─ KeyedOutcomeUnknownError  likewise, with an idempotency key: repeat it (`retryable` is true)
├─ ClosedError             the Database is closed, or the session's block has ended: nothing was done
└─ ConfigurationError      the URL, the credentials, TLS or the schema are wrong: trying again does not help
   └─ DatabaseAheadError   newer code has migrated the database: this code leaves its schema alone
"""

from typing import ClassVar


class DataAccessError(Exception):
    """Whatever this layer raises; `sqlstate` and `constraint_name` where the database gave them, `advice` if known."""

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        sqlstate: str | None = None,
        constraint_name: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.constraint_name = constraint_name
        self.advice = advice

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message.rstrip('.')}. {self.advice}" if self.advice else message


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


class UnavailableError(TransientError):
    """No connection could be made; connecting was retried already, within the call's deadline."""


class PoolTimeoutError(TransientError):
    """No connection came free within the pool's timeout."""


class NotDoneError(DataAccessError):
    """The server reported an error: the statement, and the transaction that it was in, had no effect."""


class OutOfResourcesError(NotDoneError):
    """The server lacks disk, memory or what a limit of its configuration allows: nothing was done.

    Not retried: the same call may need as much again.
    """


class StatementTimeoutError(DataAccessError):
    """The statement took longer than it may and was ended: nothing was done, and again it would take as long."""


class OutcomeUnknownError(DataAccessError):
    """The connection broke after a write was sent: it may or may not have happened."""


class KeyedOutcomeUnknownError(OutcomeUnknownError):
    """The same of a write with an idempotency key: the same call with the same key tells, and does no harm."""

    retryable = True


class ClosedError(DataAccessError):
    """The Database is closed, or the session's block has ended; nothing was done."""


class ConfigurationError(DataAccessError):
    """Something that only a person can fix: URL, credentials, TLS, schema, permissions."""


class DatabaseAheadError(ConfigurationError):
    """The database is at a revision that this code does not know: newer code migrated it. Nothing was changed."""

    exit_status = 3
