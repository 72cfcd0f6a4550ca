"""The trigger that moves `updated_at`: every table with that column has it, whatever client updates the row."""

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import DDL, Connection, MetaData, Table, event

COLUMN: Final = "updated_at"
NAME: Final = "set_updated_at"
"""The name of the trigger and of its function."""

SEARCH_PATH: Final = "pg_catalog, pg_temp"
"""What the function resolves names through: what another role creates in a schema of the session changes nothing."""

# `greatest`: strictly growing also when two updates meet in one microsecond or the server's clock steps back. Only an
# idempotency key that is forgotten (app/db/retention.py) leaves the time as it is: no reader sees that change.
BODY: Final = f"""
begin
  if current_setting('app.keys', true) = 'forget' then
    if new.idempotency_key is null and old.idempotency_key is not null then
      return new;
    end if;
  end if;
  new.{COLUMN} := greatest(clock_timestamp(), old.{COLUMN} + interval '1 microsecond');
  return new;
end """
CREATE_FUNCTION: Final = f"""
create or replace function {NAME}() returns trigger language plpgsql set search_path = {SEARCH_PATH} as $${BODY}$$"""
CREATE_TRIGGER: Final = (
    f"create or replace trigger {NAME} before update on %(fullname)s for each row execute function {NAME}()"
)


def is_touched(table: Table) -> bool:
    """Return whether the table needs the trigger."""
    return COLUMN in table.columns


def follow(metadata: MetaData) -> None:
    """Create the triggers wherever `metadata` creates its tables."""
    event.listen(metadata, "after_create", _create_triggers)


def _create_triggers(_: MetaData, connection: Connection, *, tables: Iterable[Table] = (), **__: Any) -> None:
    touched = [table for table in tables if is_touched(table)]
    if touched:
        connection.execute(DDL(CREATE_FUNCTION))  # type: ignore[no-untyped-call]  # SQLAlchemy leaves DDL without types
    for table in touched:
        connection.execute(DDL(CREATE_TRIGGER).against(table))  # type: ignore[no-untyped-call]  # likewise
