"""Make idempotency keys unique for each user, in indexes of the rows that have one.

Revision ID: b3e5f2087c6d
Revises: 6c0b7a1d94e2
Create Date: 2026-11-23

Outside a transaction, so in a revision of its own: run again after a failure, it does only what is missing.
"""

from collections.abc import Sequence

from app.db.migrations import create_index_concurrently, drop_index_concurrently

revision: str = "b3e5f2087c6d"
down_revision: str | Sequence[str] | None = "6c0b7a1d94e2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("task", "conversation", "message")


def upgrade() -> None:
    for table in _TABLES:
        create_index_concurrently(
            f"ix_{table}_user_id_idempotency_key",
            table,
            ["user_id", "idempotency_key"],
            unique=True,
            where="idempotency_key is not null",
        )


def downgrade() -> None:
    for table in _TABLES:
        drop_index_concurrently(f"ix_{table}_user_id_idempotency_key", table)
