"""Add the idempotency key to task, conversation and message, and the digest that goes with a task's.

Revision ID: 6c0b7a1d94e2
Revises: 1ef187533fa2
Create Date: 2026-11-23

Nullable and without a default: no row is rewritten, and code that does not know the columns still works.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "6c0b7a1d94e2"
down_revision: str | Sequence[str] | None = "1ef187533fa2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("task", sa.Column("idempotency_key", sa.Uuid(), nullable=True))
    op.add_column("task", sa.Column("idempotency_digest", sa.LargeBinary(), nullable=True))
    # The order in which an append locks them: the other way round would be a deadlock with traffic.
    op.add_column("conversation", sa.Column("idempotency_key", sa.Uuid(), nullable=True))
    op.add_column("message", sa.Column("idempotency_key", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("task", "idempotency_digest")
    op.drop_column("task", "idempotency_key")
    op.drop_column("conversation", "idempotency_key")
    op.drop_column("message", "idempotency_key")
