"""Which tables are this application's: other applications may live in the same database and schema."""

from collections.abc import Mapping

from app.db.models import metadata


def is_ours(name: str | None, kind: str, _: Mapping[str, str | None]) -> bool:
    """Return whether Alembic may look at what has this name: of tables, those of the models."""
    return kind != "table" or name in metadata.tables
