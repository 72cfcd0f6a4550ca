<% body = "".join([upgrades or "", downgrades or ""]) %>\
"""${message[:1].upper() + message[1:].rstrip(".")}.

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}
% if "(" not in body:

Old code runs beside the new one, on tables with rows and traffic. Delete what does not apply of this; the reasons are
in docs/operations.md. ``lock_timeout`` is set and a revision that meets it is tried again: keep each one short.

A column: nullable, or with a constant default. For NOT NULL three revisions, and a deploy that writes it before them:
    op.execute("alter table task add constraint ck_task_due_set check (due is not null) not valid")
    op.execute("alter table task validate constraint ck_task_due_set")   # after the old rows are filled in, in batches
    op.alter_column("task", "due", nullable=False)                       # then drop the check: its work is done
An index: in a revision of its own, outside the transaction.
    create_index_concurrently("ix_task_user_id_due", "task", ["user_id", "due"])
    drop_index_concurrently("ix_task_user_id_due", "task")               # both from app.db.migrations
A foreign key or check: not valid in one revision, validated in the next.
    op.create_foreign_key(
        "fk_name", "task", "list", ["user_id", "list_id"], ["user_id", "id"], postgresql_not_valid=True
    )
    op.execute("alter table task validate constraint fk_name")
A rename: never. Add the new name, write both, fill in, read the new one, and drop the old one a deploy later.
A drop: only what no deployed code names any more.
What squawk warns of and is right all the same: explained = {"the-rule": "the reason"} on the module.
No way back: raise alembic.util.CommandError in downgrade, with the reason.
% endif
"""

from collections.abc import Sequence

% if "(" not in body or "sa." in body:
import sqlalchemy as sa
% endif
% if "(" not in body or "op." in body:
from alembic import op
% endif
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
