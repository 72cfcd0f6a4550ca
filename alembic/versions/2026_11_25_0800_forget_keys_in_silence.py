"""Leave `updated_at` as it is where only an idempotency key is forgotten.

Revision ID: 7e2c5b8f4a13
Revises: 4d1f6a9c0e57
Create Date: 2026-11-25

`python -m app keys prune` removes old keys from rows that stay. Were that an update like any other, a conversation would
become active again, and `expected_updated_at` of a client would be stale. Replacing a function locks no table, the
triggers stay, and code of before notices nothing.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "7e2c5b8f4a13"
down_revision: str | Sequence[str] | None = "4d1f6a9c0e57"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FORGETTING = """
  if current_setting('app.keys', true) = 'forget' then
    if new.idempotency_key is null and old.idempotency_key is not null then
      return new;
    end if;
  end if;"""
_SET_UPDATED_AT = """
create or replace function set_updated_at() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin{forgetting}
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  return new;
end $$"""


def upgrade() -> None:
    op.execute(_SET_UPDATED_AT.format(forgetting=_FORGETTING))


def downgrade() -> None:
    op.execute(_SET_UPDATED_AT.format(forgetting=""))
