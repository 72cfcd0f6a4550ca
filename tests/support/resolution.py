"""The objects that the names in a statement resolve to on the server."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_PARAMETER_TYPES: Final = "select cast(parameter_types as text[]) from pg_prepared_statements where name = 'resolved'"
# The system's own objects are pinned and have no row in pg_depend: the listed objects lie outside pg_catalog.
_OUTSIDE: Final = """
select distinct object.type, object.identity
from pg_catalog.pg_proc join pg_catalog.pg_depend on classid = pg_proc.tableoid and objid = oid,
  pg_catalog.pg_identify_object(refclassid, refobjid, 0) as object
where pronamespace = pg_catalog.pg_my_temp_schema() and proname = cast('resolved' as name)
and object.type <> 'schema'"""


async def outside_the_catalog(connection: AsyncConnection, sql: str) -> set[str]:
    """Return what `sql` (with $1, $2 as parameters) names outside pg_catalog: operators, functions, types, tables.

    The statement becomes the body of a function: the server parses it and records what it depends on.
    """
    savepoint = await connection.begin_nested()
    try:
        await connection.exec_driver_sql(f"prepare resolved as {sql}")
        arguments = (await connection.execute(text(_PARAMETER_TYPES))).scalar_one()
        await connection.exec_driver_sql("deallocate resolved")
        function = f"pg_temp.resolved({', '.join(arguments)}) returns void language sql"
        await connection.exec_driver_sql(f"create function {function} begin atomic {sql}; end")
        found = (await connection.execute(text(_OUTSIDE))).all()
    finally:
        await savepoint.rollback()
    return {f"{kind} {identity}" for kind, identity in found}
