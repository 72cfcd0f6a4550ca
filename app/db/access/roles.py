"""The rights of the roles beside the owner: the application reads and writes rows, the reader only reads."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.driver.permissions import APPLICATION_RIGHTS, READER_RIGHTS, Remedy, table_remedy
from app.db.errors import ConfigurationError
from app.db.migrations.connection import directly_connected
from app.db.migrations.operations.base import quoted
from app.db.migrations.refusals import translating_with_remedies
from app.db.models import metadata
from app.db.revisions import version_table_name
from app.db.target.options import first_schema
from app.db.target.settings import DatabaseSettings

# A missing table has no missing rights: `has_table_privilege` of null is null. The
# grammar itself takes `unnest` of two arrays to be that of pg_catalog, only without the schema.
MISSING_RIGHTS: Final = text("""
select name, string_agg(privilege, ', ' order by place) as privileges
from unnest(cast(:names as text[]), cast(:privileges as text[]))
  with ordinality as wanted (name, privilege, place)
where not pg_catalog.has_table_privilege(
  cast(pg_catalog.to_regclass(pg_catalog.quote_ident(name)) as oid), privilege)
group by name order by name""")
_PLACE: Final = text("""
select relname, nspname as schema, rolname as owner, cast(current_database() as text) as database
from pg_class join pg_namespace on pg_namespace.oid = relnamespace join pg_roles on pg_roles.oid = relowner
where pg_class.oid = cast(to_regclass(cast(:table as text)) as oid)""")
_THERE: Final = text("select rolname from pg_roles where rolname = any(cast(:names as text[]))")


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the roles that are not the owner."""

    application: str = "app"
    reader: str = "app_reader"


def application_rights() -> dict[str, Sequence[str]]:
    """Return what the application does with each table, by the table's name."""
    return {version_table_name(): READER_RIGHTS} | dict.fromkeys(map(str, metadata.tables), APPLICATION_RIGHTS)


def wanted_rights() -> dict[str, list[str]]:
    """Return the parameters of `MISSING_RIGHTS`: each right of the application, and the table in the same place."""
    wanted = [(name, each) for name, rights in application_rights().items() for each in rights]
    return {"names": [name for name, _ in wanted], "privileges": [each for _, each in wanted]}


def remedies(tables: Iterable[str], settings: DatabaseSettings) -> list[Remedy]:
    """Return how the role of `settings` gets the rights of the application on each of the tables."""
    target, rights = settings.target(), application_rights()
    schema = first_schema(target.server_settings)
    return [table_remedy(each, rights[each], role=target.user, schema=schema) for each in tables]


async def give_rights(settings: DatabaseSettings, roles: Roles) -> list[str]:
    """Give each role exactly its rights, create those that are missing, and return the statements that did it.

    `settings` lead to the database as the owner of its tables; run it again after a migration that adds a table. All
    of it is one transaction. Raises `ConfigurationError` where there are no tables, or a role owns them.
    """
    with translating_with_remedies(settings):
        async with directly_connected(settings) as connection, connection.begin():
            statements = await _statements(connection, roles)
            for statement in statements:
                await connection.exec_driver_sql(statement)
    return statements


async def _statements(connection: AsyncConnection, roles: Roles) -> list[str]:
    names = (roles.application, roles.reader)
    if not all(names) or roles.application == roles.reader:
        raise ConfigurationError("name two roles: that of the application, and another one that only reads")
    place = (await connection.execute(_PLACE, {"table": version_table_name()})).mappings().one_or_none()
    if place is None:
        raise ConfigurationError("the database has no tables yet: run python -m app migrate first")
    if place["owner"] in names:
        raise ConfigurationError(f"{place['owner']} owns the tables, so it may do everything: name another role")
    there = set((await connection.execute(_THERE, {"names": list(names)})).scalars())
    database, schema = quoted(place["database"]), quoted(place["schema"])
    everybody = ", ".join(map(quoted, names))
    return [
        *(f"create role {quoted(name)} login" for name in names if name not in there),
        f"grant connect on database {database} to {everybody}",
        f"revoke create on schema {schema} from public, {everybody}",
        f"grant usage on schema {schema} to {everybody}",
        *(each for table, rights in application_rights().items() for each in _of_table(table, rights, roles)),
    ]


def _of_table(table: str, rights: Sequence[str], roles: Roles) -> list[str]:
    application, reader = quoted(roles.application), quoted(roles.reader)
    return [
        f"revoke all on {table} from public, {application}, {reader}",
        f"grant {', '.join(rights)} on {table} to {application}",
        f"grant {', '.join(READER_RIGHTS)} on {table} to {reader}",
    ]
