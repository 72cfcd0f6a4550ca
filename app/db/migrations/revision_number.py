"""Alembic's version table, compared so that another role's operator never runs with the owner's rights."""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import ColumnElement, String, Table, Text, cast
from sqlalchemy.types import TypeDecorator


class _RevisionNumber(TypeDecorator[str]):
    """A varchar that is compared as text, for which `pg_catalog` has its own operator."""

    impl = String
    cache_ok = True

    class comparator_factory(TypeDecorator.Comparator[str]):  # noqa: N801 - SQLAlchemy's name
        """Compare with `pg_catalog`'s operator."""

        def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]  # as SQLAlchemy's own
            return cast(self.expr, Text()) == other

        __hash__ = TypeDecorator.Comparator.__hash__


class Implementation(PostgresqlImpl):
    """Alembic's implementation for PostgreSQL, different only in the version table; it registers itself."""

    __dialect__ = "postgresql"

    def version_table_impl(self, **options: Any) -> Table:
        """Return the table that keeps a database's revision."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = _RevisionNumber(32)
        return table
