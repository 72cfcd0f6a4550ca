"""What removes the cause of a refusal: the right that the role lacks, and the statement that grants it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from sqlalchemy import Executable, Result, RowMapping, text

from app.db.driver.permissions import EXPLAINED, elsewhere_remedy, remedy_of, schema_remedy
from app.db.errors import ConfigurationError, DataAccessError
from app.db.models import metadata
from app.db.revisions import (
    NO_SUCH_TABLE,
    SCHEMA_ERRORS,
    explain_schema_error,
    recorded_revisions,
    version_table_name,
)
from app.db.target.options import first_schema
from app.db.target.settings import DatabaseSettings
from app.db.target.url import ConnectionTarget

Run = Callable[[Executable, Any], Awaitable[Result[Any]]]
"""Run a statement with these parameters; raises a `DataAccessError`."""

_NO_SCHEMA: Final = ("3F000", "no schema has been selected to create in")
# A schema that the role may not use is left out of its search_path, and its tables do not exist for the role. A set of
# all tables elsewhere may be ours only if nobody has chosen a search_path: otherwise it is another application's.
WHERE_TABLES_ARE: Final = text("""
select pg_catalog.current_schema() is null as nowhere, cast(pg_catalog.current_database() as text) as database, (
  select cast(nspname as text)
  from pg_catalog.pg_namespace
  where not pg_catalog.has_schema_privilege(pg_namespace.oid, cast('usage' as text))
    and exists (
      select from pg_catalog.pg_class
      where relnamespace operator(pg_catalog.=) pg_namespace.oid
        and cast(relname as text) operator(pg_catalog.=) any (cast(:names as text[])))
    and cast(nspname as text) operator(pg_catalog.=) any (
      select case when part operator(pg_catalog.=) cast('$user' as text) then cast(current_user as text) else part end
      from pg_catalog.unnest(pg_catalog.string_to_array(pg_catalog.current_setting(cast('search_path' as text)), ','))
        as quoted
      cross join lateral (select pg_catalog.btrim(quoted, cast(' "' as text)) as part) as parts)
  order by nspname limit 1) as unusable, (
  select pg_catalog.min(cast(nspname as text))
  from pg_catalog.pg_namespace
  where pg_catalog.current_setting(cast('search_path' as text)) operator(pg_catalog.=) cast('"$user", public' as text)
    and cast(nspname as text) operator(pg_catalog.<>) cast('public' as text)
    and cast(nspname as text) operator(pg_catalog.<>) cast(current_user as text)
    and not pg_catalog.starts_with(cast(nspname as text), cast('doctor_' as text))
    and pg_catalog.cardinality(cast(:names as text[])) operator(pg_catalog.=) (
      select pg_catalog.count(*) from pg_catalog.pg_class
      where relnamespace operator(pg_catalog.=) pg_namespace.oid
        and cast(relname as text) operator(pg_catalog.=) any (cast(:names as text[])))
  having pg_catalog.count(*) operator(pg_catalog.=) 1) as elsewhere""")


def our_names() -> Mapping[str, Any]:
    """Return the parameters of `WHERE_TABLES_ARE`."""
    return {"names": [version_table_name(), *(table.name for table in metadata.sorted_tables)]}


async def advice_on(error: DataAccessError, settings: DatabaseSettings, run: Run, *, ours: bool) -> str | None:
    """Return what removes the cause of a refusal: a right, a schema, or for a statement of `ours` the revision.

    An older copy may have been restored under the running application.
    """
    advice = remedy_for(error, settings)
    if advice is None and error.sqlstate in SCHEMA_ERRORS:
        missing = error.sqlstate == NO_SUCH_TABLE and _names_a_table_of_ours(error)
        with suppress(DataAccessError):
            advice = await _advice_on_schema(settings, run, missing=missing, ours=ours)
    return advice


async def _advice_on_schema(settings: DatabaseSettings, run: Run, *, missing: bool, ours: bool) -> str | None:
    if missing:
        place = await run(WHERE_TABLES_ARE, our_names())
        if advice := remedy_where(place.mappings().one(), settings):
            return advice
    return explain_schema_error(await _revisions(run)) if ours else None


async def _revisions(run: Run) -> Sequence[str]:
    try:
        return (await run(recorded_revisions(), None)).scalars().all()
    except DataAccessError as error:
        if error.sqlstate != NO_SUCH_TABLE:
            raise
        return ()


def _names_a_table_of_ours(error: DataAccessError) -> bool:
    """Return whether the server says of a table of ours, without a schema, that it does not exist."""
    return any(f'relation "{name}" does not exist' in error.args[0] for name in our_names()["names"])


def remedy_for(error: DataAccessError, settings: DatabaseSettings, *, migrating: bool = False) -> str | None:
    """Return which right the role of `settings` lacks and the statement that grants it; None for any other error."""
    return remedy_of_text(error.sqlstate, error.args[0].rpartition(": ")[2], settings, migrating=migrating)


def remedy_of_text(
    sqlstate: str | None, text: str, settings: DatabaseSettings, *, migrating: bool = False
) -> str | None:
    """Return the same for a text of the server's."""
    if sqlstate not in EXPLAINED:  # most errors are a value's, and to read the URL takes 50 µs
        return None
    target = _target(settings, migrating=migrating)
    if target is None:
        return None
    read_only = None if migrating else version_table_name()
    return remedy_of(sqlstate, text, role=target.user, schema=first_schema(target.server_settings), read_only=read_only)


def remedy_where(place: RowMapping, settings: DatabaseSettings) -> str | None:
    """Return why the role does not see our tables, for the row of `WHERE_TABLES_ARE`; None if it would see them."""
    target = _target(settings, migrating=False)
    if target is None:
        return None
    if place["unusable"]:
        return str(schema_remedy(place["unusable"], role=target.user))
    if place["elsewhere"]:
        return elsewhere_remedy(place["elsewhere"], role=target.user, database=place["database"])
    if place["nowhere"]:
        return remedy_of(*_NO_SCHEMA, role=target.user, schema=first_schema(target.server_settings))
    return None


def _target(settings: DatabaseSettings, *, migrating: bool) -> ConnectionTarget | None:
    try:
        return settings.direct_target() if migrating else settings.target()
    except ConfigurationError:  # a connection was given, not a URL
        return None
