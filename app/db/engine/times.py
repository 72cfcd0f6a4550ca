"""Times on their way to a timestamptz: asyncpg takes one without a time zone for the machine's local time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.asyncpg import AsyncpgDateTime

from app.db.errors import InvalidInputError


class ZonedDateTime(AsyncpgDateTime):
    """SQLAlchemy's type for asyncpg; with `timezone` it refuses a value without one, whoever declared the column."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Return what each value passes through."""
        return checked_time if self.timezone else None


def checked_time(value: Any) -> Any:
    """Return `value`; raises `InvalidInputError` for a time without a time zone."""
    if isinstance(value, datetime) and value.utcoffset() is None:
        raise InvalidInputError("a time must have timezone information: write datetime.now(UTC)")
    return value
