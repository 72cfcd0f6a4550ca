"""Create task, conversation and message, and the trigger that moves `updated_at`.

Revision ID: 1ef187533fa2
Revises: -
Create Date: 2026-11-23
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.db.migrations import drop_updated_at_function

revision: str = "1ef187533fa2"
down_revision: str | Sequence[str] | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# `role in ('user', 'assistant')` as the server keeps it, with the operator of pg_catalog whatever another role planted
_ROLE_KNOWN = "role operator(pg_catalog.=) any (cast(array['user', 'assistant'] as varchar[]))"
_NEWEST_FIRST = sa.text("id desc nulls last")
_SET_UPDATED_AT = """
create or replace function set_updated_at() returns trigger language plpgsql as $$
begin
  new.updated_at := greatest(clock_timestamp(), old.updated_at + interval '1 microsecond');
  return new;
end $$"""
_TRIGGER = """
create trigger set_updated_at before update on {table}
for each row execute function set_updated_at()"""


def upgrade() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("cast(user_id as text) <> ''", name=op.f("ck_conversation_user_id_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("user_id", "id", name=op.f("uq_conversation_user_id_id")),
    )
    op.create_index(op.f("ix_conversation_user_id_updated_at_id"), "conversation", ["user_id", "updated_at", "id"])
    op.create_table(
        "task",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=True),
        sa.Column("completed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("cast(title as text) ~ '\\S'", name=op.f("ck_task_title_not_blank")),
        sa.CheckConstraint("cast(user_id as text) <> ''", name=op.f("ck_task_user_id_not_empty")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_user_id_completed_id"), "task", ["user_id", "completed", _NEWEST_FIRST])
    op.create_index(op.f("ix_task_user_id_id"), "task", ["user_id", _NEWEST_FIRST])
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.String(length=255), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(_ROLE_KNOWN, name=op.f("ck_message_role_known")),
        sa.CheckConstraint("cast(user_id as text) <> ''", name=op.f("ck_message_user_id_not_empty")),
        sa.ForeignKeyConstraint(
            ["user_id", "conversation_id"],
            ["conversation.user_id", "conversation.id"],
            name=op.f("fk_message_user_id_conversation_id_conversation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
    )
    op.create_index(
        op.f("ix_message_conversation_id_user_id_id"), "message", ["conversation_id", "user_id", _NEWEST_FIRST]
    )
    op.create_index(op.f("ix_message_user_id_id"), "message", ["user_id", "id"])
    op.execute(_SET_UPDATED_AT)
    op.execute(_TRIGGER.format(table="task"))
    op.execute(_TRIGGER.format(table="conversation"))


def downgrade() -> None:
    op.drop_table("message")
    op.drop_table("task")
    op.drop_table("conversation")
    drop_updated_at_function()
