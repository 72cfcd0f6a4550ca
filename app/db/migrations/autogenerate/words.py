"""Describe in words the difference behind an operation that autogenerate found."""

from typing import Any, Final

from alembic.operations import MigrateOperation
from alembic.operations.ops import (
    AddColumnOp,
    AddConstraintOp,
    AlterColumnOp,
    CreateIndexOp,
    CreateTableOp,
    DropColumnOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
)

from app.db.migrations.operations.base import CHANGED, EXTRA, MISSING, SqlOperation, Words

_KINDS: Final = {"foreignkey": "foreign key", "unique": "unique constraint", "check": "check"}


def in_words(operation: MigrateOperation) -> Words:
    """Return what is wrong with a database that needs this operation."""
    if isinstance(operation, SqlOperation):
        return operation.words
    unknown = Words("schema", None, str(operation.to_diff_tuple()), CHANGED)
    return _of_column(operation) or _of_constraint(operation) or unknown


def _of_column(operation: MigrateOperation) -> Words | None:
    match operation:
        case CreateTableOp(table_name=table):
            return Words("table", table, table, MISSING)
        case DropTableOp(table_name=table):
            return Words("table", table, table, EXTRA)
        case AddColumnOp(table_name=table, column=column):
            return Words("column", table, column.name, MISSING)
        case DropColumnOp(table_name=table, column_name=column):
            return Words("column", table, column, EXTRA)
        case AlterColumnOp(table_name=table, column_name=column):
            return Words("column", table, column, _altered(operation))
    return None


def _of_constraint(operation: MigrateOperation) -> Words | None:
    match operation:
        case CreateIndexOp(table_name=table, index_name=name):
            return Words("index", table, str(name), MISSING)
        case DropIndexOp(table_name=table, index_name=name):
            return Words("index", table, str(name), EXTRA)
        case DropConstraintOp(table_name=table, constraint_name=name, constraint_type=kind):
            return Words(_kind(kind), table, str(name), EXTRA)
        case AddConstraintOp(constraint_type=kind):
            constraint = operation.to_constraint()
            return Words(_kind(kind), constraint.table.name, str(constraint.name), MISSING)
    return None


def _altered(operation: AlterColumnOp) -> str:
    changes = []
    if operation.modify_type is not None:
        changes.append(f"of type {operation.existing_type}, in the models {operation.modify_type}")
    if operation.modify_nullable is not None:
        changes.append(
            "nullable, in the models not null" if operation.existing_nullable else "not null, in the models nullable"
        )
    if operation.modify_server_default is not False:
        there, ours = _default(operation.existing_server_default), _default(operation.modify_server_default)
        changes.append(f"with the default {there}, in the models {ours}")
    return "; ".join(changes) or CHANGED


def _default(value: Any) -> str:
    argument = getattr(value, "arg", value)
    return "none" if argument is None else str(getattr(argument, "text", argument))


def _kind(constraint: str | None) -> str:
    return _KINDS.get(constraint or "", "constraint")
