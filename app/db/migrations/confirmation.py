"""A downgrade to base from the command line drops rows only after a confirmation."""

import sys
from collections.abc import Sequence
from typing import Any, Final

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text

from app.db.migrations.operations.base import quoted
from app.db.models import metadata

# A forced row-level security policy hides rows from the owner too; the table's size still shows them.
_TABLES: Final = text("""
select relname as name, relforcerowsecurity and pg_relation_size(pg_class.oid) > 0 as hidden
from pg_class where relname = any(:names) and relkind in ('r', 'p') and pg_table_is_visible(pg_class.oid)""")
_SERVER: Final = text("select current_database() as database, current_setting('cluster_name') = 'embedded' as embedded")


def confirm(connection: Connection, steps: Sequence[Any]) -> None:
    """Ask on the command line before the steps drop tables with rows; raises `CommandError` without a yes."""
    if context.config.cmd_opts is None or not _to_base(steps):
        return
    if "yes" in context.get_x_argument(as_dictionary=True):
        return
    with connection.begin_nested() if connection.in_transaction() else connection.begin():
        full = _tables_with_rows(connection)
        server = connection.execute(_SERVER).one()
    if not full or server.embedded:
        return
    loss = f"this drops the rows of {', '.join(full)} in the database {server.database}"
    if not sys.stdin.isatty():
        raise CommandError(f"{loss}. To do it: alembic -x yes downgrade base")
    if input(f"{loss}. Write the name of the database to go on: ") != server.database:
        raise CommandError("nothing was done")


def _to_base(steps: Sequence[Any]) -> bool:
    return bool(steps) and steps[-1].is_downgrade and not steps[-1].to_revisions


def _tables_with_rows(connection: Connection) -> list[str]:
    names = [table.name for table in metadata.sorted_tables]
    rows = connection.execute(_TABLES, {"names": names}).all()
    return sorted(row.name for row in rows if row.hidden or _has_rows(connection, row.name))


def _has_rows(connection: Connection, table: str) -> bool:
    return bool(connection.execute(text(f"select exists (select from {quoted(table)})")).scalar())  # noqa: S608 - ours
