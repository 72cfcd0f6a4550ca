"""Indexes made and dropped while the table is in use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import TextClause, text

_IS_VALID = text("select indisvalid from pg_index where indexrelid = to_regclass(:name)")


def create_index_concurrently(
    name: str, table: str, columns: Sequence[str | TextClause], *, unique: bool = False, where: str | None = None
) -> None:
    """Create an index while the table is read and written; one that is there and valid is left alone.

    An invalid one, left by an attempt that failed, is dropped first. What the revision did before is committed: let
    such calls be all that it does, then it can be run again. In a transaction of the caller's it locks the table.
    """
    options: dict[str, Any] = {"unique": unique, "postgresql_where": text(where) if where else None}
    if _in_callers_transaction():
        op.create_index(name, table, columns, **options)
        return
    with _outside_the_transaction():
        if not op.get_context().as_sql and _is_invalid(name):
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        op.create_index(name, table, columns, **options, postgresql_concurrently=True, if_not_exists=True)


def drop_index_concurrently(name: str, table: str) -> None:
    """Drop an index, if it is there, while the table is read and written."""
    if _in_callers_transaction():
        op.drop_index(name, table_name=table, if_exists=True)
        return
    with _outside_the_transaction():
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def _in_callers_transaction() -> bool:
    return bool(op.get_context().opts.get("in_callers_transaction"))


def _is_invalid(name: str) -> bool:
    return op.get_bind().execute(_IS_VALID, {"name": name}).scalar() is False


@contextmanager
def _outside_the_transaction() -> Iterator[None]:
    """Commit, and go on in autocommit with a longer wait for locks: nobody queues behind this kind of waiting."""
    settings = op.get_context().opts["settings"]
    with op.get_context().autocommit_block():
        op.execute(f"set lock_timeout = '{settings.migration_wait_seconds * 1000:.0f}ms'")
        op.execute(f"set statement_timeout = '{(settings.migration_statement_timeout_seconds or 0) * 1000:.0f}ms'")
        try:
            yield
        finally:
            op.execute("reset lock_timeout")
            op.execute("reset statement_timeout")
