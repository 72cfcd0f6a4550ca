"""What another role can plant in a schema of the search_path to change the meaning of our statements."""

import re
from collections.abc import Iterable
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Besides the types of the tables' columns: those of parameters, results and the system catalogs.
_TYPES: Final = (
    "text", "varchar", "bigint", "integer", "timestamptz", "interval", "boolean", "uuid", "bytea", "name", "oid",
    "regclass", '"char"', "numeric", "double precision", "text[]", "varchar[]", "bigint[]", "name[]", "jsonb",
)  # fmt: skip
_COMPARISONS: Final = ("=", "<>", "<", "<=", ">", ">=", "~", "!~", "~*", "~~", "!~~", "@>", "&&", "^@")
_ARITHMETIC: Final = ("+", "-", "*", "/", "%", "||")
_CALLED: Final = re.compile(r"\b([a-z_0-9]+)\s*\(", re.IGNORECASE)

_TYPE_NAMES: Final = """
select format_type(to_regtype(each), null) from unnest(cast(:types as text[])) as each
union select format_type(atttypid, null) from pg_attribute join pg_class on pg_class.oid = attrelid
where relnamespace = cast(:schema as regnamespace) and relkind = 'r' and attnum > 0 and not attisdropped"""
_PLANT_OPERATORS: Final = """
do $plant$
declare l text; r text; o text;
begin
  foreach l in array cast({types} as text[]) loop
    foreach r in array cast({types} as text[]) loop
      execute format('create function {schema}.compared(%s, %s) returns boolean language sql return true', l, r);
      execute format('create function {schema}.computed(%s, %s) returns %1$s language sql return $1', l, r);
      foreach o in array cast({comparisons} as text[]) loop
        execute format('create operator {schema}.%s (leftarg = %s, rightarg = %s, function = {schema}.compared)',
                       o, l, r);
      end loop;
      foreach o in array cast({arithmetic} as text[]) loop
        execute format('create operator {schema}.%s (leftarg = %s, rightarg = %s, function = {schema}.computed)',
                       o, l, r);
      end loop;
    end loop;
  end loop;
end $plant$"""
# One for each combination of types (beyond two arguments only the four commonest types), with as many arguments as the
# system's functions of that name take.
_PLANT_FUNCTIONS: Final = """
do $plant$
declare signature record;
begin
  for signature in
    with recursive wanted as (
      select distinct proname, n from pg_proc, generate_series(int4(pronargs - pronargdefaults), int4(pronargs)) as n
      where pronamespace = cast('pg_catalog' as regnamespace) and proname = any(cast({functions} as text[])) and n <= 4
    ), signatures as (
      select proname, n, cast('{{}}' as text[]) as types from wanted
      union
      select proname, n, types || type from signatures, unnest(cast({types} as text[])) as type
      where cardinality(types) < n and (n <= 2 or type in ('text', 'character varying', 'bigint', 'boolean'))
    )
    select proname, array_to_string(types, ', ') as arguments from signatures where cardinality(types) = n
  loop
    execute format('create function {schema}.%I(%s) returns boolean language sql return true',
                   signature.proname, signature.arguments);
  end loop;
end $plant$"""


async def plant_spies(connection: AsyncConnection, statements: Iterable[str], *, schema: str = "public") -> None:
    """Create in `schema` operators for each pair of types, and the functions that `statements` call."""
    await connection.exec_driver_sql("set local search_path = pg_catalog")  # so that it does not use the plants
    types = (await connection.execute(text(_TYPE_NAMES), {"types": list(_TYPES), "schema": schema})).scalars()
    words = {
        "schema": schema,
        "types": _array(types),
        "comparisons": _array(_COMPARISONS),
        "arithmetic": _array(_ARITHMETIC),
        "functions": _array({name.lower() for sql in statements for name in _CALLED.findall(sql)}),
    }
    for plant in (_PLANT_OPERATORS, _PLANT_FUNCTIONS):
        await connection.exec_driver_sql(plant.format_map(words))


def _array(words: Iterable[str]) -> str:
    return f"array[{', '.join(repr(word) for word in sorted(words))}]"
