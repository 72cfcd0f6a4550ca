"""Operations for revisions, in addition to Alembic's; autogenerate writes calls to the public functions."""

from app.db.migrations.operations.enums import add_enum_value, create_enum, drop_enum, replace_enum
from app.db.migrations.operations.indexes import create_index_concurrently, drop_index_concurrently
from app.db.migrations.operations.triggers import (
    create_updated_at_trigger,
    drop_updated_at_function,
    drop_updated_at_trigger,
)

__all__ = [
    "add_enum_value",
    "create_enum",
    "create_index_concurrently",
    "create_updated_at_trigger",
    "drop_enum",
    "drop_index_concurrently",
    "drop_updated_at_function",
    "drop_updated_at_trigger",
    "replace_enum",
]
