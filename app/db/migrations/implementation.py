"""Alembic's own statements: compared so that another role's operator never runs, and creating tables on shards."""

from typing import Any

from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import ARRAY, JSON, Column, ColumnElement, Index, String, Table, Text, cast, literal_column, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine

from app.db.migrations.autogenerate.indexes import has_same_predicate, is_rewritten
from app.db.migrations.operations.base import escaped, literal
from app.db.migrations.sharding.form import added, refuse_unshardable, rekeyed, sent_to_shards
from app.db.migrations.sharding.state import sharding_of
from app.db.models.base import OWNER


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
    """Alembic's implementation for PostgreSQL, different in how it compares and creates; it registers itself."""

    __dialect__ = "postgresql"

    def create_table(self, table: Table, **more: Any) -> None:
        """Create the table; in a sharded database, one with an owner in each row is sharded at once."""
        beside = self._sharded_table() if OWNER in table.columns else None
        if beside is None:
            super().create_table(table, **more)
            return
        refuse_unshardable([table])
        keys = list(table.foreign_key_constraints)
        table.constraints.difference_update(keys)  # Citus refuses one between a plain and a sharded table
        super().create_table(table, **more)
        for statement in (rekeyed(table), sent_to_shards(table, beside), *map(added, keys)):
            self.execute(text(escaped(statement)))

    def _sharded_table(self) -> str | None:
        settings = self.context_opts.get("settings")
        if self.as_sql or self.connection is None or settings is None or not settings.sharded:
            return None
        return min(sharding_of(self.connection).sharded, default=None)

    def version_table_impl(self, **options: Any) -> Table:
        """Return the table that keeps a database's revision."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = _RevisionNumber(32)
        return table

    def compare_indexes(self, metadata_index: Index, reflected_index: Index) -> Any:
        """Return how the indexes differ, their predicates too; not in how PostgreSQL has rewritten an expression."""
        found = super().compare_indexes(metadata_index, reflected_index)
        if not has_same_predicate(metadata_index, reflected_index):
            return type(found).Different(["another predicate"])
        if found.is_different and is_rewritten(metadata_index, reflected_index):
            return super().compare_indexes(reflected_index, reflected_index)
        return found

    def compare_server_default(
        self, inspector_column: Column[Any], metadata_column: Column[Any], ours: str | None, theirs: str | None
    ) -> bool:
        """Return whether the defaults differ; those of a varchar and of an enum are compared as text on the server.

        Those of json are compared here: the server has no equality operator for it.
        """
        default = getattr(metadata_column.server_default, "arg", None)
        if isinstance(default, str) and metadata_column.identity is None:  # Alembic leaves a quote in it as it is
            ours = literal(default)
            metadata_column = Column(metadata_column.name, metadata_column.type, server_default=literal_column(ours))
        if _is_json(metadata_column.type):
            return _constant(ours) != _constant(theirs)
        if theirs is not None and theirs != ours and isinstance(inspector_column.type, String):  # an Enum is one, too
            theirs = f"cast({theirs} as text)"
        return bool(super().compare_server_default(inspector_column, metadata_column, ours, theirs))  # type: ignore[no-untyped-call]  # Alembic leaves it without types


def _is_json(kind: TypeEngine[Any]) -> bool:
    items = kind.item_type if isinstance(kind, ARRAY) else kind
    return isinstance(items, JSON) and not isinstance(items, JSONB)


def _constant(default: str | None) -> str | None:
    """Return the constant itself, as in ``'{}'::json``."""
    return default and default.partition("::")[0].strip("'")
