"""Check the titles that were there before, and drop the check that knew no invisible characters.

Revision ID: 9b60e3f8d217
Revises: 4d1c9a7e52f0
Create Date: 2026-11-25

A title in which nothing is visible becomes "Untitled": it says no less than before, and can be found and clicked.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "9b60e3f8d217"
down_revision: str | Sequence[str] | None = "4d1c9a7e52f0"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None
explained = {
    "ban-drop-constraint": "the validated one refuses all that the dropped one refused",
    "constraint-missing-not-valid": "only the downgrade does both in one transaction: it restores a validated check",
}

# Frozen: white space and invisible characters as Unicode 17 has them.
_VISIBLE = (
    r"[^\u0009-\u000D\u0020\u0085\u00A0\u00AD\u034F\u061C\u115F-\u1160\u1680\u17B4-\u17B5\u180B-\u180F"
    r"\u2000-\u200A\u200B-\u200F\u2028-\u2029\u202A-\u202E\u202F\u205F\u2060-\u206F\u3000\u3164"
    r"\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFF8\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A"
    r"\U000E0000-\U000E0FFF]"
)


def upgrade() -> None:
    op.execute(f"update task set title = 'Untitled' where cast(title as text) !~ '{_VISIBLE}'")  # noqa: S608 - a constant
    op.execute("alter table task validate constraint ck_task_title_visible")
    op.drop_constraint(op.f("ck_task_title_not_blank"), "task", type_="check")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_task_title_visible"), "task", type_="check")
    op.create_check_constraint(
        op.f("ck_task_title_visible"), "task", f"cast(title as text) ~ '{_VISIBLE}'", postgresql_not_valid=True
    )
    # In one transaction: tasks are locked while their titles are read, about a second for a million.
    op.create_check_constraint(
        op.f("ck_task_title_not_blank"), "task", r"cast(title as text) ~ '\S'", postgresql_not_valid=True
    )
    op.execute("alter table task validate constraint ck_task_title_not_blank")
