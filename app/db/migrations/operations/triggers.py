"""The trigger that updates `updated_at`, and its function."""

from typing import Final

from alembic import op

from app.db.migrations.operations.base import PlainSql, SqlOperation, quoted
from app.db.models import updated_at

# Other applications in the schema may have triggers that use the same function.
DROP_FUNCTION: Final = f"""
do $$ begin
  if not exists (select from pg_trigger where tgfoid = to_regprocedure('{updated_at.NAME}()')) then
    drop function if exists {updated_at.NAME}();
  end if;
end $$"""


class CreateTrigger(SqlOperation):
    """Create the trigger, or replace a disabled or different one; `was` is the statement that restores the old one."""

    called = "create_updated_at_trigger"

    def __init__(self, table: str, *, was: str | None = None) -> None:
        self.table, self.was = table, was

    def sql(self) -> str:
        """Return the statement."""
        return updated_at.CREATE_TRIGGER % {"fullname": quoted(self.table)}

    def arguments(self) -> str:
        """Return the table."""
        return repr(self.table)

    def reverse(self) -> SqlOperation:
        """Return the operation that restores the table."""
        if self.was is None:
            return DropTrigger(self.table)
        return PlainSql(self.was, undo=self.sql(), what=updated_at.NAME)


class DropTrigger(SqlOperation):
    """Drop the trigger; the table stays."""

    called = "drop_updated_at_trigger"

    def __init__(self, table: str) -> None:
        self.table = table

    def sql(self) -> str:
        """Return the statement."""
        return f"drop trigger if exists {updated_at.NAME} on {quoted(self.table)}"

    def arguments(self) -> str:
        """Return the table."""
        return repr(self.table)

    def reverse(self) -> CreateTrigger:
        """Return the operation that undoes this one."""
        return CreateTrigger(self.table)


def create_updated_at_trigger(table: str) -> None:
    """Create the trigger that updates a table's `updated_at`, whichever client updates the row."""
    op.invoke(CreateTrigger(table))


def drop_updated_at_trigger(table: str) -> None:
    """Drop the trigger of `create_updated_at_trigger`, for a table that loses the column."""
    op.invoke(DropTrigger(table))


def drop_updated_at_function() -> None:
    """Drop the function of the triggers, unless another application's table still uses it."""
    op.execute(DROP_FUNCTION)
