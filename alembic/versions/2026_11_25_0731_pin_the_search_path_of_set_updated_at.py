"""Pin the search_path of the trigger function that moves `updated_at`.

Revision ID: 4d1f6a9c0e57
Revises: 9b60e3f8d217
Create Date: 2026-11-25

Without it the function resolves names through the path of the session that updates: what another role creates in a
schema of that path would run with the rights of the application. Replacing a function locks no table, the triggers
stay, and code that runs notices nothing.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "4d1f6a9c0e57"
down_revision: str | Sequence[str] | None = "9b60e3f8d217"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SET_UPDATED_AT = """
create or replace function set_updated_at() returns trigger language plpgsql {settings}as $$
begin
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  return new;
end $$"""


def upgrade() -> None:
    op.execute(_SET_UPDATED_AT.format(settings="set search_path = pg_catalog, pg_temp "))


def downgrade() -> None:
    op.execute(_SET_UPDATED_AT.format(settings=""))
