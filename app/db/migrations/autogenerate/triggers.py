"""Compare the triggers of `updated_at` and their function with what the models' columns need."""

from typing import Any, Final

from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import MigrateOperation, UpgradeOps
from alembic.util import PriorityDispatchResult
from sqlalchemy import Connection, MetaData, RowMapping, text

from app.db.migrations.autogenerate.tables import dropped_tables
from app.db.migrations.operations.base import plain_sql, quoted
from app.db.migrations.operations.triggers import DROP_FUNCTION, trigger_created, trigger_dropped
from app.db.models import updated_at

_FUNCTION: Final = text("""
select prosrc as body,
  proconfig operator(pg_catalog.=) array[cast(:path as text)] and lanname = 'plpgsql' and not prosecdef as declared_so,
  pg_get_functiondef(pg_proc.oid) as definition
from pg_proc join pg_language on pg_language.oid = prolang
where pg_proc.oid = to_regprocedure(:name || '()')""")
_TRIGGERS: Final = text("""
select relname as table, tgenabled::text in ('O', 'A') as enabled,
  pg_get_triggerdef(pg_trigger.oid, true) as definition,
  format('CREATE TRIGGER %I BEFORE UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %I()', tgname, tgrelid::regclass, tgname)
  as wanted
from pg_trigger join pg_class on pg_class.oid = tgrelid
where tgname = :name and not tgisinternal and relname = any(:tables) and pg_table_is_visible(tgrelid)""")


def compare_triggers(context: AutogenContext, operations: UpgradeOps, _: Any) -> PriorityDispatchResult:
    """Add the operations that create the trigger on each table with `updated_at` and drop it from the others."""
    connection, metadata = context.connection, context.metadata
    assert connection is not None
    assert isinstance(metadata, MetaData)
    tables = {table.name: updated_at.is_touched(table) for table in metadata.sorted_tables}
    tables |= dict.fromkeys(dropped_tables(operations.ops), False)
    rows = connection.execute(_TRIGGERS, {"name": updated_at.NAME, "tables": list(tables)}).mappings()
    there = {row["table"]: row for row in rows}
    if any(tables.values()):
        operations.ops[:0] = _function(connection)
    operations.ops[:0] = [trigger_dropped(name) for name, row in there.items() if not tables[name] and _is_plain(row)]
    for name, touched in tables.items():
        operations.ops.extend(_trigger(name, there.get(name)) if touched else ())
    return PriorityDispatchResult.CONTINUE


def _function(connection: Connection) -> list[MigrateOperation]:
    sought = {"name": updated_at.NAME, "path": f"search_path={updated_at.SEARCH_PATH}"}
    row = connection.execute(_FUNCTION, sought).mappings().one_or_none()
    if row and row["declared_so"] and row["body"].split() == updated_at.BODY.split():
        return []
    undo = row["definition"] if row else DROP_FUNCTION
    return [plain_sql(updated_at.CREATE_FUNCTION, undo=undo, what=updated_at.NAME)]


def _trigger(table: str, row: RowMapping | None) -> list[MigrateOperation]:
    if row is None:
        return [trigger_created(table)]
    if not _is_plain(row):
        return [trigger_created(table, was=row["definition"].replace("CREATE", "create or replace", 1))]
    disable = f"alter table {quoted(table)} disable trigger {updated_at.NAME}"
    return [] if row["enabled"] else [trigger_created(table, was=disable)]


def _is_plain(row: RowMapping) -> bool:
    return bool(row["definition"] == row["wanted"])
