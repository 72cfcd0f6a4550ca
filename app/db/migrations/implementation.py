"""Alembic's own comparisons, written so that another role's operator never runs with the owner's rights."""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import Column, ColumnElement, String, Table, Text, cast
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
    """Alembic's implementation for PostgreSQL, different only in how it compares; it registers itself."""

    __dialect__ = "postgresql"

    def version_table_impl(self, **options: Any) -> Table:
        """Return the table that keeps a database's revision."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = _RevisionNumber(32)
        return table

    def compare_server_default(
        self, inspector_column: Column[Any], metadata_column: Column[Any], ours: str | None, theirs: str | None
    ) -> bool:
        """Return whether the defaults differ; those of a varchar and of an enum are compared as text on the server."""
        if theirs is not None and theirs != ours and isinstance(inspector_column.type, String):  # an Enum is one, too
            theirs = f"cast({theirs} as text)"
        return bool(super().compare_server_default(inspector_column, metadata_column, ours, theirs))  # type: ignore[no-untyped-call]  # Alembic leaves it without types
