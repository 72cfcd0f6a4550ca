"""Which tables belong to this application: others may use the same database and schema."""

from collections.abc import Mapping

from app.db.models import metadata


def is_ours(name: str | None, kind: str, _: Mapping[str, str | None]) -> bool:
    """Return whether Alembic may compare the object with this name: of tables, only those of the models."""
    return kind != "table" or name in metadata.tables
