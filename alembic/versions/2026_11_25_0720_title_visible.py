"""Refuse a task's title in which nothing is visible: white space and invisible characters as Unicode has them.

Revision ID: 4d1c9a7e52f0
Revises: b3e5f2087c6d
Create Date: 2026-11-25

Not valid: new rows are checked, old ones by the next revision. Until then the check of the first revision stays.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "4d1c9a7e52f0"
down_revision: str | Sequence[str] | None = "b3e5f2087c6d"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
explained = {"ban-drop-constraint": "only the downgrade drops it, and the older check is still there"}

# Frozen: white space and invisible characters as Unicode 17 has them.
_VISIBLE = (
    r"[^\u0009-\u000D\u0020\u0085\u00A0\u00AD\u034F\u061C\u115F-\u1160\u1680\u17B4-\u17B5\u180B-\u180F"
    r"\u2000-\u200A\u200B-\u200F\u2028-\u2029\u202A-\u202E\u202F\u205F\u2060-\u206F\u3000\u3164"
    r"\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFF8\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A"
    r"\U000E0000-\U000E0FFF]"
)


def upgrade() -> None:
    op.create_check_constraint(
        op.f("ck_task_title_visible"), "task", f"cast(title as text) ~ '{_VISIBLE}'", postgresql_not_valid=True
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_task_title_visible"), "task", type_="check")
