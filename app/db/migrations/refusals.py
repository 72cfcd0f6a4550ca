"""A migration's errors, with the statement that grants the missing right."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.db.engine.translation import translating
from app.db.errors import DataAccessError
from app.db.remedies import remedy_for
from app.db.target.settings import DatabaseSettings


@contextmanager
def translating_with_remedies(settings: DatabaseSettings | None) -> Iterator[None]:
    """Raise ours, as `translating` does; a refusal names the right, its object and the statement that grants it."""
    try:
        with translating():
            yield
    except DataAccessError as error:
        if settings is not None:
            error.advice = error.advice or remedy_for(error, settings, migrating=True)
        raise
