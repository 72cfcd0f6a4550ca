"""Describe in words the difference behind an operation that autogenerate found."""

from typing import Any, Final, NamedTuple

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
)
from sqlalchemy import Constraint

from app.db.migrations.operations.base import PlainSql
from app.db.migrations.operations.enums import AddEnumValue, CreateEnum, DropEnum, ReplaceEnum
from app.db.migrations.operations.triggers import CreateTrigger, DropTrigger
from app.db.models import updated_at

MISSING: Final = "missing"
EXTRA: Final = "not in the models"
CHANGED: Final = "another than in the models"
_KINDS: Final = {
    "foreignkey": "foreign key",
    "foreign_key_constraint": "foreign key",
    "unique": "unique constraint",
    "unique_constraint": "unique constraint",
    "check": "check",
    "check_constraint": "check",
    "table_or_column_check_constraint": "check",
}


class Words(NamedTuple):
    """The parts of a sentence: the `kind` `name` of `table` is `state`."""

    kind: str
    table: str | None
    name: str
    state: str


def in_words(operation: MigrateOperation) -> Words:
    """Return what is wrong with a database that needs this operation."""
    for describe in (_of_column, _of_constraint, _of_trigger, _of_type):
        words = describe(operation)
        if words:
            return words
    return Words("schema", None, str(operation.to_diff_tuple()), CHANGED)


def _of_column(operation: MigrateOperation) -> Words | None:
    match operation:
        case CreateTableOp(table_name=table):
            return Words("table", table, table, MISSING)
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
            return Words(_KINDS.get(kind or "", "constraint"), table, str(name), EXTRA)
        case AddConstraintOp():
            constraint = operation.to_constraint()
            return Words(_kind(constraint), constraint.table.name, str(constraint.name), MISSING)
    return None


def _of_trigger(operation: MigrateOperation) -> Words | None:
    match operation:
        case CreateTrigger(table=table, was=None):
            return Words("trigger", table, updated_at.NAME, f"{MISSING}: updated_at stands still")
        case CreateTrigger(table=table):
            return Words("trigger", table, updated_at.NAME, f"disabled or {CHANGED}")
        case DropTrigger(table=table):
            return Words("trigger", table, updated_at.NAME, f"{EXTRA}: every update fails without the column")
        case PlainSql(what=name):
            return Words("function", None, name, f"{MISSING} or {CHANGED}")
    return None


def _of_type(operation: MigrateOperation) -> Words | None:
    match operation:
        case CreateEnum(name=name):
            return Words("enum type", None, name, MISSING)
        case DropEnum(name=name):
            return Words("enum type", None, name, EXTRA)
        case AddEnumValue(name=name, value=value):
            return Words("enum type", None, name, f"without the value {value!r}")
        case ReplaceEnum(name=name, old=old, new=new):
            return Words("enum type", None, name, f"of {', '.join(old)}; in the models of {', '.join(new)}")
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


def _kind(constraint: Constraint) -> str:
    return _KINDS.get(str(constraint.__visit_name__), "constraint")
