"""Split what autogenerate found into revisions, each safe under traffic and with the code deployed before it."""

import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from alembic.operations import MigrateOperation
from alembic.operations.ops import (
    AddColumnOp,
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    MigrationScript,
    OpContainer,
    UpgradeOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import rev_id
from sqlalchemy import Column, text
from sqlalchemy.schema import conv

from app.db.migrations.autogenerate.tables import dropped_tables
from app.db.migrations.operations.base import SqlOperation, plain_sql, quoted, sql_of
from app.db.migrations.operations.indexes import CreateIndexConcurrently, index_dropped
from app.db.models.base import CLOCK

_SLUG_CHARACTERS: Final = 60
Stages = dict[str, list[MigrateOperation]]


def flat(container: OpContainer) -> Iterator[MigrateOperation]:
    """Yield the operations without the containers that group them by table."""
    for operation in container.ops:
        if isinstance(operation, OpContainer):
            yield from flat(operation)
        else:
            yield operation


def split(context: MigrationContext, _: Any, scripts: list[MigrationScript]) -> None:
    """Replace the script with one for each stage, or with none if autogenerate found nothing."""
    (script,) = scripts
    if script.upgrade_ops is None or script.upgrade_ops.is_empty():
        options = context.config.cmd_opts if context.config else None
        if getattr(options, "autogenerate", False):
            print("Nothing to write: the database is as the models say.", file=sys.stderr)  # noqa: T201 - a command
            scripts.clear()
        return
    if script.message is None:  # `alembic check`, which reports a single script
        return
    stages = [operations for operations in _stages(list(flat(script.upgrade_ops))).values() if operations]
    head, message = script.head, textwrap.shorten(script.message, _SLUG_CHARACTERS, placeholder="")
    scripts[:] = [
        _script(script, operations, message if number == 1 else f"{message.rstrip('.')} step {number}")
        for number, operations in enumerate(stages, 1)
    ]
    for each in scripts:
        each.head, head = head, each.rev_id


def _script(whole: MigrationScript, operations: list[MigrateOperation], message: str) -> MigrationScript:
    up = UpgradeOps(operations)
    down = up.reverse()
    up.ops, down.ops = list(_needed(up.ops)), list(_needed(down.ops))
    return MigrationScript(
        rev_id(),
        up,
        down,
        message=message,
        head=whole.head,
        splice=whole.splice,
        version_path=whole.version_path,
        depends_on=whole.depends_on,
    )


def _needed(operations: list[Any]) -> Iterator[MigrateOperation]:
    """Yield what has to be done: dropping a table drops its indexes and triggers."""
    gone = dropped_tables(operations)
    return (each for each in operations if _dropped_with(each) not in gone)


def _dropped_with(each: MigrateOperation) -> str | None:
    """Return the table whose drop makes the operation needless."""
    if isinstance(each, DropIndexOp):
        return each.table_name
    return each.words.table if isinstance(each, SqlOperation) else None


def _stages(operations: list[MigrateOperation]) -> Stages:
    """Return the operations by stage, in the order of the stages."""
    new = {each.table_name for each in operations if isinstance(each, CreateTableOp)}
    gone = dropped_tables(operations)
    renewed = {each.index_name for each in operations if isinstance(each, CreateIndexOp)}
    stages: Stages = {"drop indexes": [], "values": [], "main": [], "indexes": [], "attach": [], "validate": []}
    for each in operations:
        for stage, operation in _staged(each, new, gone, renewed):
            stages[stage].append(operation)
    return stages


def _staged(  # noqa: PLR0911 - one for each kind of operation
    each: MigrateOperation, new: set[str], gone: list[str], renewed: set[str | None]
) -> Iterable[tuple[str, MigrateOperation]]:
    match each:
        case DropConstraintOp():
            return [("main", _as_named(each))]
        case AddColumnOp(table_name=table, column=column) if _is_set_by_clock(column):
            return [("main", operation) for operation in _with_clock(each, table, column)]
        case SqlOperation(alone=True):
            return [("values", each)]
        case CreateIndexOp(table_name=table) if table not in new:
            return [("indexes", CreateIndexConcurrently.from_index(each.to_index()))]
        case DropIndexOp(table_name=str(table), index_name=name) if table not in gone:
            stage = "indexes" if name in renewed else "drop indexes"
            return [(stage, index_dropped(str(name), table, was=each.to_index()))]
        case CreateForeignKeyOp(source_table=table) | CreateCheckConstraintOp(table_name=table) if table not in new:
            each.kw["postgresql_not_valid"] = True
            return [("main", each), ("validate", _validation(each, table))]
        case CreateUniqueConstraintOp(table_name=table) if table not in new:
            return list(_unique(each, table))
    return [("main", each)]


def _as_named(each: DropConstraintOp) -> DropConstraintOp:
    """Return the operation with its name marked as final: otherwise the naming convention is applied again."""
    constraint = each.to_constraint()
    constraint.name = conv(str(constraint.name))
    return DropConstraintOp.from_constraint(constraint)


def _is_set_by_clock(column: Column[Any]) -> bool:
    return str(getattr(column.server_default, "arg", "")) == CLOCK


def _with_clock(each: AddColumnOp, table: str, column: Column[Any]) -> Iterable[MigrateOperation]:
    """Give existing rows the time of the revision: a clock would be read for each, and all of them rewritten."""
    now = text("now()")
    added = Column(column.name, column.type, server_default=now, nullable=column.nullable, comment=column.comment)
    default = f"alter table {quoted(table)} alter column {quoted(column.name)} set default"
    yield AddColumnOp(table, added, schema=each.schema)
    yield plain_sql(f"{default} {CLOCK}", undo=f"{default} now()", what=column.name)


def _unique(each: CreateUniqueConstraintOp, table: str) -> Iterator[tuple[str, MigrateOperation]]:
    name = str(each.constraint_name)
    options = {key: value for key, value in each.kw.items() if key.startswith("postgresql_")}
    yield "indexes", CreateIndexConcurrently(name, table, list(each.columns), unique=True, **options)
    alter, written = f"alter table {quoted(table)}", quoted(name)
    deferrable = sql_of(each).rstrip(";").rpartition(")")[2]
    attach = f"{alter} add constraint {written} unique using index {written}{deferrable.lower()}"
    yield "attach", plain_sql(attach, undo=f"{alter} drop constraint {written}", what=name)


def _validation(each: CreateForeignKeyOp | CreateCheckConstraintOp, table: str) -> SqlOperation:
    """Return the statement that checks the existing rows; its undo makes the constraint NOT VALID again."""
    name, add = quoted(str(each.constraint_name)), sql_of(each).rstrip(";")
    not_valid = add.replace(" ADD ", f" DROP CONSTRAINT {name}, ADD ", 1)
    return plain_sql(f"alter table {quoted(table)} validate constraint {name}", undo=not_valid, what=name)
