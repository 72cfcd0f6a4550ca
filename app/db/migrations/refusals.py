"""Errors of a migration with the statement that gives the right that was missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.db.driver.permissions import remedy_of
from app.db.errors import ConfigurationError, DataAccessError
from app.db.target.settings import DatabaseSettings


@contextmanager
def with_remedies(settings: DatabaseSettings | None) -> Iterator[None]:
    """Add to a refusal of the server what right is missing, on what, and the statement that gives it."""
    try:
        yield
    except ConfigurationError as error:
        if settings is None or error.advice:
            raise
        remedy = remedy_for(error, settings)
        if remedy is None:
            raise
        error.advice = remedy
        raise


def remedy_for(error: DataAccessError, settings: DatabaseSettings) -> str | None:
    """Return the statement that gives the missing right to the role of `settings`; None for every other error."""
    try:
        target = settings.direct_target()
    except ConfigurationError:  # a connection was handed over, and no URL
        return None
    path = target.server_settings.get("search_path", "public")
    schema = path.partition(",")[0].strip().strip('"')
    text = error.args[0].rpartition(": ")[2]
    return remedy_of(error.sqlstate, text, role=target.user, schema=schema, connecting=False)
