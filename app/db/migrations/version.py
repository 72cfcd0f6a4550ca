"""Read a database's revision, and check that its version table belongs to this application."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from app.db.driver.sqlstates import sqlstate_of
from app.db.errors import ConfigurationError, DatabaseAheadError
from app.db.migrations.operations.base import quoted
from app.db.models import metadata
from app.db.revisions import NO_SUCH_TABLE, version_table_name

_NO_SUCH_COLUMN: Final = "42703"
_OURS: Final = text("""
select coalesce(
    pg_catalog.array_agg(name order by name) filter (where to_regclass(quote_ident(name)) is not null), '{}'
  ) as names,
  current_schema() as here
from unnest(cast(:names as text[])) as name""")


@dataclass(frozen=True, slots=True)
class Version:
    """The stored revisions and their place: `schema` holds the table, `here` is where a migration works."""

    heads: tuple[str, ...] = ()
    schema: str | None = None
    here: str | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Return whether the table is in a schema of the search_path other than the one that migrations work in."""
        return self.schema != self.here


def heads_of(connection: Connection) -> tuple[str, ...]:
    """Return the database's revisions, in one statement."""
    return version_of(connection, version_table_name()).heads


def version_of(connection: Connection, table: str) -> Version:
    """Return the content of the version table, in one statement; the table may be missing or empty."""
    begin = connection.begin_nested if connection.in_transaction() else connection.begin
    try:
        with begin():
            rows = connection.execute(_version(table)).all()
    except DBAPIError as error:
        if sqlstate_of(error) == _NO_SUCH_COLUMN:
            raise ConfigurationError(
                f"the table {table} is not an Alembic version table, but another application's. {_OWN_TABLE}",
                sqlstate=_NO_SUCH_COLUMN,
            ) from error
        if sqlstate_of(error) != NO_SUCH_TABLE:
            raise
        return Version()
    return Version(tuple(row.version_num for row in rows), *rows[0][1:]) if rows else Version()


_OWN_TABLE: Final = (
    "Give this application a version table of its own (version_table in alembic.ini) or a schema of its own "
    "(alter role <its role> set search_path = <its schema>)"
)


@cache
def _version(table: str) -> TextClause:
    name = quoted(table)
    return text(
        f"select version_num, relnamespace::regnamespace::text, quote_ident(cast(current_schema() as text)) "  # noqa: S608 - our name
        f"from {name} join pg_class on pg_class.oid = {name}.tableoid"
    )


def refuse_strangers(connection: Connection, version: Version, script: ScriptDirectory) -> bool:
    """Return whether the version table belongs to another application and can be ignored.

    Raises `DatabaseAheadError` if newer code has migrated, and `ConfigurationError` if two applications share a
    version table or their tables cannot be told apart.
    """
    known = {revision.revision for revision in script.walk_revisions()}
    unknown = [head for head in version.heads if head not in known]
    if not unknown and not version.is_elsewhere:
        return False
    ours = connection.execute(_OURS, {"names": [table.name for table in metadata.sorted_tables]}).one()
    if version.is_elsewhere and not (ours.names and version.heads):
        return True
    if version.is_elsewhere:
        raise ConfigurationError(
            f"the search_path finds tables of this application in the schema {version.schema}, but migrations "
            f"would work in {version.here}; nothing was done. Choose one: "
            f"alter role <role> set search_path = {version.schema}; or = {version.here}"
        )
    raise _unknown(unknown, ours.names)


def _unknown(unknown: Sequence[str], ours: Sequence[str]) -> ConfigurationError:
    revisions = ", ".join(unknown)
    if not ours:
        return ConfigurationError(
            f"the database is at revision {revisions} of another application: none of this one's tables exist. "
            f"Nothing was changed. {_OWN_TABLE}"
        )
    return DatabaseAheadError(
        f"the database is at revision {revisions}, which this code does not know: newer code has migrated it. "
        "Nothing was changed. Deploy the code that has this revision, or downgrade with it first"
    )
