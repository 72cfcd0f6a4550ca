"""The one funnel: whatever executing raises, SQLAlchemy's or the driver's, becomes an error of ours here."""

from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import exc as sa
from sqlalchemy.orm.exc import StaleDataError

from app.db.driver.redaction import hide_values, without_values
from app.db.driver.sqlstates import DRIVER_ERRORS, OF_THE_DRIVER, sqlstate_of, translate_driver
from app.db.errors import DataAccessError, InvalidInputError, StaleRowError, TransientError

_MISUSE: Final = {  # by SQLAlchemy's code
    "isce": "one session is used by two tasks at once: give each task its own",
    "7s2a": "the transaction was rolled back: a flush in it failed, and its error was caught",
}
_LOST_BEFORE: Final = "8s2b"


class translating(AbstractContextManager[Any]):  # noqa: N801 - reads as a verb: `with translating():`
    """Raise ours for what SQLAlchemy or the driver raises inside; the caller's own exceptions pass unchanged.

    `lost` is what a connection that broke means at this moment: `TransientError` where the server certainly undid the
    work or running it again is harmless, `OutcomeUnknownError` where it may have been committed.
    """

    def __init__(self, lost: type[DataAccessError] = TransientError) -> None:
        self._lost = lost

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        ours = error and self.translate(error)
        if ours:
            raise ours from error

    def translate(self, error: BaseException) -> DataAccessError | None:
        """Return our error, or None for one that is ours already or not the database's."""
        return translate(error, lost=self._lost)


class executing(translating):  # noqa: N801 - likewise
    """The same around one statement of ours, where no exception is the caller's: each becomes ours."""

    def translate(self, error: BaseException) -> DataAccessError | None:
        """Return our error, or None for one that is ours already, a cancellation, or the interpreter's end."""
        if not isinstance(error, Exception) or isinstance(error, DataAccessError):
            return None
        if isinstance(error, DRIVER_ERRORS):
            hide_values(error)
            return translate_driver(error, lost=self._lost)
        if isinstance(error, sa.SQLAlchemyError):
            return translate(error, lost=self._lost)  # what is left is a statement that cannot be written to SQL
        return _unreadable(error)


def translate(error: BaseException, *, lost: type[DataAccessError] = TransientError) -> DataAccessError | None:
    """Return our error for one of SQLAlchemy's or the driver's, as `translating` does."""
    if isinstance(error, OF_THE_DRIVER):  # SQLAlchemy lets it pass where rows come from a server-side cursor
        hide_values(error)
        return translate_driver(error, lost=lost)
    if isinstance(error, sa.InvalidRequestError):
        return _from_misuse(error)
    if isinstance(error, sa.DBAPIError):
        return _from_dbapi(error, lost)
    if isinstance(error, sa.StatementError):  # a value is missing, or SQLAlchemy could not even convert it
        return InvalidInputError(without_values(_own_text(error.orig or error)))
    if isinstance(error, StaleDataError):
        return StaleRowError("a row of the session was deleted or changed by another transaction")
    return None


def _own_text(error: BaseException) -> str:
    """Return the text without SQLAlchemy's link to its own documentation."""
    return str(error.args[0] if error.args else error)


def _from_misuse(error: sa.InvalidRequestError) -> DataAccessError | None:
    if error.code in _MISUSE:
        return DataAccessError(_MISUSE[error.code])
    if error.code == _LOST_BEFORE:
        return TransientError("the connection broke earlier in this transaction, and its error was caught")
    return None  # a `.one()` without a row, say, is the caller's own


def _from_dbapi(error: sa.DBAPIError, lost: type[DataAccessError]) -> DataAccessError:
    cause = error.orig or error
    if isinstance(error, sa.DataError) and error.connection_invalidated:  # what our listener on errors made of it
        return _unreadable(cause)
    driver = cause.__cause__ if isinstance(cause.__cause__, OF_THE_DRIVER) else cause
    return translate_driver(driver if sqlstate_of(cause) is None else cause, lost=lost)


def _unreadable(error: BaseException) -> DataAccessError:
    """Return the error for a time before Christ, or bytes that are no UTF-8."""
    return DataAccessError(f"the statement was executed, but its answer cannot be read ({type(error).__name__})")
