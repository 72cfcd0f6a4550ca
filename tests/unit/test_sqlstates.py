"""What a server's error means for the caller, for errors that no test can provoke on a server."""

import asyncpg
import pytest

from app.db.driver.sqlstates import translate_driver
from app.db.errors import DataAccessError, NotDoneError, OutcomeUnknownError, OutOfResourcesError


def _error(sqlstate: str, severity: str) -> BaseException:
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": "something"}
    error: BaseException = asyncpg.PostgresError.new(fields)
    return error


@pytest.mark.parametrize("sqlstate", ["53100", "XX000", "58030"])
@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
def test_an_error_that_ends_the_connection_leaves_the_outcome_unknown(sqlstate: str, severity: str) -> None:
    """A full disk during COMMIT causes a PANIC, and the commit may be on disk."""
    assert isinstance(translate_driver(_error(sqlstate, severity), lost=OutcomeUnknownError), OutcomeUnknownError)


@pytest.mark.parametrize(
    ("sqlstate", "kind"),
    [("53100", OutOfResourcesError), ("53000", OutOfResourcesError), ("XX000", NotDoneError), ("25P02", NotDoneError)],
)
def test_an_error_that_leaves_the_connection_open_was_undone(sqlstate: str, kind: type[DataAccessError]) -> None:
    """The class of the SQLSTATE shows it."""
    assert type(translate_driver(_error(sqlstate, "ERROR"), lost=OutcomeUnknownError)) is kind
