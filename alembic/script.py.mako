"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date}

Before you commit, think of the old code that runs beside the new one, and of the rows that are there:
- a NOT NULL column: add it nullable (or with a constant default), fill it in batches, then
  ADD CONSTRAINT ... CHECK (x IS NOT NULL) NOT VALID, VALIDATE, SET NOT NULL: each in a revision of its own;
- an index on a table with rows: CREATE INDEX CONCURRENTLY, outside the transaction;
- a foreign key or check: NOT VALID first, VALIDATE CONSTRAINT in the next revision;
- a rename: don't. Add the new name, write both, read the new one, drop the old one a deploy later;
- dropping: only what no deployed code names any more.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
${imports if imports else ""}

revision: str = ${repr(up_revision)}
down_revision: str | Sequence[str] | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
