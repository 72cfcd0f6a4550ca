"""The trigger that updates `updated_at`, and its function."""

from typing import Final

from alembic import op

from app.db.migrations.operations.base import CHANGED, EXTRA, MISSING, SqlOperation, Words, plain_sql, quoted
from app.db.models import updated_at

# Other applications in the schema may have triggers that use the same function.
DROP_FUNCTION: Final = f"""
do $$ begin
  if not exists (select from pg_trigger where tgfoid = to_regprocedure('{updated_at.NAME}()')) then
    drop function if exists {updated_at.NAME}();
  end if;
end $$"""


def trigger_created(table: str, *, was: str | None = None) -> SqlOperation:
    """Return the operation that creates the trigger, or replaces a disabled or different one that `was` restores."""
    create = updated_at.CREATE_TRIGGER % {"fullname": quoted(table)}
    return SqlOperation(
        f"create_updated_at_trigger({table!r})",
        create,
        _words(table, f"disabled or {CHANGED}" if was else f"{MISSING}: updated_at does not change"),
        undo=lambda: plain_sql(was, undo=create, what=updated_at.NAME) if was else trigger_dropped(table),
    )


def trigger_dropped(table: str) -> SqlOperation:
    """Return the operation that drops the trigger; the table stays."""
    return SqlOperation(
        f"drop_updated_at_trigger({table!r})",
        f"drop trigger if exists {updated_at.NAME} on {quoted(table)}",
        _words(table, f"{EXTRA}: every update fails without the column"),
        undo=lambda: trigger_created(table),
    )


def _words(table: str, state: str) -> Words:
    return Words("trigger", table, updated_at.NAME, state)


def create_updated_at_trigger(table: str) -> None:
    """Create the trigger that updates a table's `updated_at`, whichever client updates the row."""
    op.invoke(trigger_created(table))


def drop_updated_at_trigger(table: str) -> None:
    """Drop the trigger of `create_updated_at_trigger`, for a table that loses the column."""
    op.invoke(trigger_dropped(table))


def drop_updated_at_function() -> None:
    """Drop the function of the triggers, unless another application's table still uses it."""
    op.execute(DROP_FUNCTION)
