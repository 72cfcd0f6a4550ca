"""Alembic's version table, compared so that no operator of another role's is called with the owner's rights."""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import ColumnElement, String, Table, Text, cast
from sqlalchemy.types import TypeDecorator


class _RevisionNumber(TypeDecorator[str]):
    """A varchar that is compared as text, for which `pg_catalog` has an operator of its own."""

    impl = String
    cache_ok = True

    class comparator_factory(TypeDecorator.Comparator[str]):  # noqa: N801 - SQLAlchemy's name
        """Compares with `pg_catalog`'s own operator."""

        def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]  # as SQLAlchemy's own
            return cast(self.expr, Text()) == other

        __hash__ = TypeDecorator.Comparator.__hash__


class Implementation(PostgresqlImpl):
    """Alembic's for PostgreSQL, which registers itself; it differs in the version table alone."""

    __dialect__ = "postgresql"

    def version_table_impl(self, **options: Any) -> Table:
        """Return the table of the revision that a database is at."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = _RevisionNumber(32)
        return table
