"""Extend a migration's errors with the statement that grants the missing right."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.db.errors import DataAccessError
from app.db.remedies import remedy_for
from app.db.target.settings import DatabaseSettings


@contextmanager
def with_remedies(settings: DatabaseSettings | None) -> Iterator[None]:
    """Extend the server's refusal with the missing right, its object and the statement that grants it."""
    try:
        yield
    except DataAccessError as error:
        if settings is None or error.advice:
            raise
        remedy = remedy_for(error, settings, migrating=True)
        if remedy is None:
            raise
        error.advice = remedy
        raise
