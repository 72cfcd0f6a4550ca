"""Create and drop indexes while the table is in use."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from alembic import op
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateIndexOp
from sqlalchemy import Index, text
from sqlalchemy.exc import PendingRollbackError

from app.db.migrations.operations.base import EXTRA, MODULE, SqlOperation, Words, escaped, quoted, sql_of
from app.db.migrations.operations.partitions import is_partitioned, remaining_steps

# The table is compared too: an index of this name may belong to another table in the schema.
_IS_VALID = text("""
select indisvalid from pg_index join pg_class on pg_class.oid = indexrelid
where indrelid = cast(to_regclass(quote_ident(:table)) as oid) and relname = :name""")


class CreateIndexConcurrently(CreateIndexOp):
    """A new index on an existing table, as autogenerate writes it."""

    def reverse(self) -> Any:
        """Return the operation that undoes this one."""
        return index_dropped(str(self.index_name), self.table_name, was=self.to_index())


def index_dropped(name: str, table: str, *, was: Index) -> SqlOperation:
    """Return the drop of an index that the models no longer have, as autogenerate writes it."""
    return SqlOperation(
        f"drop_index_concurrently({name!r}, {table!r})",
        f"drop index concurrently if exists {quoted(name)}",
        Words("index", table, name, EXTRA),
        undo=lambda: CreateIndexConcurrently.from_index(was),
    )


@renderers.dispatch_for(CreateIndexConcurrently)
def _render(context: AutogenContext, operation: CreateIndexConcurrently) -> str:
    context.imports.add(f"from {MODULE} import create_index_concurrently")
    plain: str = renderers.dispatch(CreateIndexOp)(context, operation)
    return f"create_index_concurrently({plain.partition('(')[2]}"


def create_index_concurrently(
    name: str, table: str, columns: Sequence[Any], *, unique: bool = False, where: str | None = None, **more: Any
) -> None:
    """Create an index while the table is read and written; leave an existing valid index unchanged.

    An invalid index, left by a failed attempt, is dropped first. On a partitioned table the index of each partition is
    created so, and joined under the table's; run again, it continues. What the revision did before the call is
    committed: the revision must contain nothing but such calls, so that it can be run again. Inside the caller's
    transaction the call locks the table.
    `more` holds options of `op.create_index`.
    """
    options: dict[str, Any] = {"unique": unique, **({"postgresql_where": text(where)} if where else {}), **more}
    if _in_callers_transaction():
        op.create_index(name, table, columns, **options)
        return
    with _outside_the_transaction():
        if _is_partitioned(table):
            _create_on_partitions(name, table, columns, options)
            return
        valid = _is_valid(name, table)
        if valid is False:
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        if not valid:
            offline = op.get_context().as_sql  # online, a name that is taken must be an error
            op.create_index(name, table, columns, **options, postgresql_concurrently=True, if_not_exists=offline)


def drop_index_concurrently(name: str, table: str) -> None:
    """Drop a table's index, if it exists, while the table is read and written."""
    if not op.get_context().as_sql and _is_valid(name, table) is None:
        return
    if _in_callers_transaction():
        op.drop_index(name, table_name=table)
        return
    with _outside_the_transaction():
        if _is_partitioned(table):  # which PostgreSQL drops in no other way
            with _shorter_waits():
                op.drop_index(name, table_name=table, if_exists=True)
            return
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def _create_on_partitions(name: str, table: str, columns: Sequence[Any], options: Mapping[str, Any]) -> None:
    create = sql_of(CreateIndexOp(name, table, list(columns), **options))
    for step in remaining_steps(op.get_bind(), create, name, table):
        with nullcontext() if step.is_concurrent else _shorter_waits():
            op.execute(escaped(step.sql))


def _is_partitioned(table: str) -> bool:
    return not op.get_context().as_sql and is_partitioned(op.get_bind(), table)


def _in_callers_transaction() -> bool:
    return bool(op.get_context().opts.get("in_callers_transaction"))


def _is_valid(name: str, table: str) -> bool | None:
    """Return whether the table's index is valid; None if the index does not exist or there is no database."""
    if op.get_context().as_sql:
        return None
    valid: bool | None = op.get_bind().execute(_IS_VALID, {"name": name, "table": table}).scalar()
    return valid


@contextmanager
def _outside_the_transaction() -> Iterator[None]:
    """Commit, and continue in autocommit; if the connection breaks, raise the first error, not those it causes."""
    try:
        with op.get_context().autocommit_block(), _longer_waits():
            yield
    except PendingRollbackError as tidying_up:
        broke: BaseException = tidying_up
        while isinstance(broke, PendingRollbackError) and broke.__context__:
            broke = broke.__context__
        raise broke  # noqa: B904 - it already has a cause, or is a cancellation


@contextmanager
def _longer_waits() -> Iterator[None]:
    """Wait longer for locks: no traffic queues behind a concurrent index."""
    settings = op.get_context().opts["settings"]
    _wait_for_locks(settings.migration_wait_seconds)
    op.execute(f"set statement_timeout = '{(settings.migration_statement_timeout_seconds or 0) * 1000:.0f}ms'")
    try:
        yield
    finally:
        op.execute("reset lock_timeout")
        op.execute("reset statement_timeout")


@contextmanager
def _shorter_waits() -> Iterator[None]:
    """Give way to traffic, which queues behind this lock; the revision is retried and continues."""
    settings = op.get_context().opts["settings"]
    _wait_for_locks(settings.migration_lock_timeout_seconds)
    yield
    _wait_for_locks(settings.migration_wait_seconds)


def _wait_for_locks(seconds: float) -> None:
    op.execute(f"set lock_timeout = '{seconds * 1000:.0f}ms'")
