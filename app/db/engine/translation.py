"""Where SQLAlchemy's errors become ours; the driver's own do so in `app.db.errors`."""

from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import exc as sa

from app.db.driver.redaction import hidden, hide_values
from app.db.driver.sqlstates import OF_THE_DRIVER, sqlstate_of, translate_driver
from app.db.errors import DataAccessError, InvalidInputError, TransientError

_MISUSE: Final = {  # by SQLAlchemy's code
    "isce": "one session is used by two tasks at once: give each task its own",
    "7s2a": "the transaction was rolled back: a flush in it had failed, and its error was caught",
}


class translating(AbstractContextManager[Any]):  # noqa: N801 - reads as a verb: `with translating():`
    """Raise ours for what SQLAlchemy raises inside (see `translate`); everything else passes."""

    def __init__(self, lost: type[DataAccessError] = TransientError) -> None:
        self._lost = lost

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        ours = error and translate(error, lost=self._lost)
        if ours:
            raise ours from error


def translate(error: BaseException, *, lost: type[DataAccessError] = TransientError) -> DataAccessError | None:
    """Return our error for one of SQLAlchemy's; None for one that is ours already or not the database's.

    `lost` is what a connection that broke means at this moment: `TransientError` where the server certainly undid the
    work or repeating it is harmless, `OutcomeUnknownError` where it may have been committed.
    """
    if isinstance(error, OF_THE_DRIVER):  # SQLAlchemy lets it pass where rows come from a server-side cursor
        hide_values(error)
        return translate_driver(error, lost=lost)
    if isinstance(error, sa.InvalidRequestError) and error.code in _MISUSE:
        return DataAccessError(_MISUSE[error.code])
    if isinstance(error, sa.DBAPIError):
        return _from_dbapi(error, lost)
    # Any other is of a value that SQLAlchemy could not even convert.
    return InvalidInputError(hidden(str(error.orig))) if isinstance(error, sa.StatementError) else None


def _from_dbapi(error: sa.DBAPIError, lost: type[DataAccessError]) -> DataAccessError:
    if isinstance(error, sa.InterfaceError) and sqlstate_of(error) is None:
        if error.connection_invalidated:
            return TransientError("the connection was closed before the statement was sent")
        return DataAccessError(f"the driver cannot send the statement: {hidden(str(error.orig))}")
    return translate_driver(error.orig or error, lost=lost)
