"""SQLAlchemy's type of a time, which refuses one without a time zone before a connection is taken."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.asyncpg import AsyncpgDateTime

from app.db.driver.times import checked_time


class ZonedDateTime(AsyncpgDateTime):
    """SQLAlchemy's type for asyncpg; with `timezone` it refuses a value without one, whoever declared the column."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Return what each value passes through."""
        return checked_time if self.timezone else None
