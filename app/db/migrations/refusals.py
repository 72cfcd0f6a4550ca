"""Extend a migration's errors with the statement that grants the missing right."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.db.driver.permissions import remedy_of
from app.db.errors import ConfigurationError, DataAccessError
from app.db.target.settings import DatabaseSettings


@contextmanager
def with_remedies(settings: DatabaseSettings | None) -> Iterator[None]:
    """Extend the server's refusal with the missing right, its object and the statement that grants it."""
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
    """Return the statement that grants the missing right to the role of `settings`; None for any other error."""
    try:
        target = settings.direct_target()
    except ConfigurationError:  # a connection was given, not a URL
        return None
    path = target.server_settings.get("search_path", "public")
    schema = path.partition(",")[0].strip().strip('"')
    text = error.args[0].rpartition(": ")[2]
    return remedy_of(error.sqlstate, text, role=target.user, schema=schema, connecting=False)
