"""Split what autogenerate found into revisions, each safe under traffic and with the code deployed before it."""

import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from alembic.operations import MigrateOperation
from alembic.operations.ops import (
    CreateCheckConstraintOp,
    CreateForeignKeyOp,
    CreateIndexOp,
    CreateTableOp,
    CreateUniqueConstraintOp,
    DropConstraintOp,
    DropIndexOp,
    DropTableOp,
    MigrationScript,
    OpContainer,
    UpgradeOps,
)
from alembic.runtime.migration import MigrationContext
from alembic.util import rev_id
from sqlalchemy.schema import conv

from app.db.migrations.operations.base import SqlOperation, plain_sql, quoted, sql_of
from app.db.migrations.operations.indexes import CreateIndexConcurrently, index_dropped

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
    down.ops = list(_needed(down.ops))
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
    """Yield what a downgrade has to do: dropping a table drops its indexes and triggers."""
    gone = {each.table_name for each in operations if isinstance(each, DropTableOp)}
    return (each for each in operations if _dropped_with(each) not in gone)


def _dropped_with(each: MigrateOperation) -> str | None:
    """Return the table whose drop makes the operation needless."""
    if isinstance(each, DropIndexOp):
        return each.table_name
    return each.words.table if isinstance(each, SqlOperation) else None


def _stages(operations: list[MigrateOperation]) -> Stages:
    """Return the operations by stage, in the order of the stages."""
    new = {each.table_name for each in operations if isinstance(each, CreateTableOp)}
    renewed = {each.index_name for each in operations if isinstance(each, CreateIndexOp)}
    stages: Stages = {"drop indexes": [], "values": [], "main": [], "indexes": [], "attach": [], "validate": []}
    for each in operations:
        for stage, operation in _staged(each, new, renewed):
            stages[stage].append(operation)
    return stages


def _staged(  # noqa: PLR0911 - one for each kind of operation
    each: MigrateOperation, new: set[str], renewed: set[str | None]
) -> Iterable[tuple[str, MigrateOperation]]:
    match each:
        case DropConstraintOp():
            return [("main", _as_named(each))]
        case SqlOperation(alone=True):
            return [("values", each)]
        case CreateIndexOp(table_name=table) if table not in new:
            return [("indexes", CreateIndexConcurrently.from_index(each.to_index()))]
        case DropIndexOp(table_name=str(table), index_name=name):
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


def _unique(each: CreateUniqueConstraintOp, table: str) -> Iterator[tuple[str, MigrateOperation]]:
    name = str(each.constraint_name)
    index = CreateIndexConcurrently(name, table, list(each.columns), unique=True)
    yield "indexes", index
    alter, written = f"alter table {quoted(table)}", quoted(name)
    attach = f"{alter} add constraint {written} unique using index {written}"
    yield "attach", plain_sql(attach, undo=f"{alter} drop constraint {written}", what=name)


def _validation(each: CreateForeignKeyOp | CreateCheckConstraintOp, table: str) -> SqlOperation:
    """Return the statement that checks the existing rows; its undo makes the constraint NOT VALID again."""
    name, add = quoted(str(each.constraint_name)), sql_of(each).rstrip(";")
    not_valid = add.replace(" ADD ", f" DROP CONSTRAINT {name}, ADD ", 1)
    return plain_sql(f"alter table {quoted(table)} validate constraint {name}", undo=not_valid, what=name)
