"""Create, extend, replace and drop enum types in the schema that the migration works in."""

from collections.abc import Iterable
from typing import Final

from alembic import op

from app.db.migrations.operations.base import EXTRA, MISSING, SqlOperation, Words, literal, quoted

# One statement, so that it needs no list of columns and can be printed as SQL; columns keep their type and defaults.
_REPLACE: Final = """
do $replace_enum$
declare
  old constant regtype := {name_literal}::regtype;
  each record;
begin
  alter type {name} rename to {old_name};
  create type {name} as enum ({values});
  for each in
    select attrelid::regclass as relation, attname as name, typelem <> 0 as in_array,
      pg_get_expr(adbin, adrelid) as default_value
    from pg_attribute join pg_class on pg_class.oid = attrelid join pg_type on pg_type.oid = atttypid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where (atttypid = old or typelem = old) and relkind in ('r', 'p') and not attisdropped
  loop
    execute format('alter table %s alter column %I drop default', each.relation, each.name);
    execute format('alter table %1$s alter column %2$I type {name}%3$s using %2$I::text%3$s::{name}%3$s',
      each.relation, each.name, case when each.in_array then '[]' else '' end);
    if each.default_value is not null then
      execute format('alter table %s alter column %I set default %s', each.relation, each.name,
        replace(each.default_value, {old_cast}, {new_cast}));
    end if;
  end loop;
  drop type {old_name};
end $replace_enum$"""


def enum_created(name: str, values: Iterable[str]) -> SqlOperation:
    """Return the operation that creates the type."""
    values = tuple(values)
    return SqlOperation(
        f"create_enum({name!r}, {list(values)!r})",
        f"create type {quoted(name)} as enum ({_listed(values)})",
        _words(name, MISSING),
        undo=lambda: enum_dropped(name, values),
    )


def enum_dropped(name: str, values: Iterable[str] = ()) -> SqlOperation:
    """Return the operation that drops the type, which no column uses any more."""
    return SqlOperation(
        f"drop_enum({name!r})",
        f"drop type {quoted(name)}",
        _words(name, EXTRA),
        undo=lambda: enum_created(name, values),
    )


def value_added(
    name: str,
    value: str,
    *,
    after: str | None = None,
    before: str | None = None,
    old: Iterable[str] = (),
    new: Iterable[str] = (),
) -> SqlOperation:
    """Return the operation that adds one value; `old` and `new` are all values before and after."""
    where, other = ("after", after) if after else ("before", before)
    argument, place = (f", {where}={other!r}", f" {where} {literal(other)}") if other else ("", "")
    return SqlOperation(
        f"add_enum_value({name!r}, {value!r}{argument})",
        f"alter type {quoted(name)} add value if not exists {literal(value)}{place}",
        _words(name, f"without the value {value!r}"),
        undo=lambda: enum_replaced(name, old=new, new=old),
        alone=True,
    )


def enum_replaced(name: str, *, new: Iterable[str], old: Iterable[str] = ()) -> SqlOperation:
    """Return the operation that removes or reorders values: the columns are rewritten, under a lock."""
    old, new = tuple(old), tuple(new)
    written, old_name = quoted(name), quoted(f"{name}_old")
    statement = _REPLACE.format(
        name=written,
        old_name=old_name,
        name_literal=literal(written),
        values=_listed(new),
        old_cast=literal(f"::{old_name}"),
        new_cast=literal(f"::{written}"),
    )
    return SqlOperation(
        f"replace_enum({name!r}, {list(new)!r})",
        statement,
        _words(name, f"of {', '.join(old)}; in the models of {', '.join(new)}"),
        undo=lambda: enum_replaced(name, old=new, new=old),
    )


def create_enum(name: str, values: Iterable[str]) -> None:
    """Create an enum type."""
    op.invoke(enum_created(name, values))


def drop_enum(name: str) -> None:
    """Drop an enum type that no column uses."""
    op.invoke(enum_dropped(name))


def add_enum_value(name: str, value: str, *, after: str | None = None, before: str | None = None) -> None:
    """Add a value next to another, or at the end; no statement in the same revision may use it."""
    op.invoke(value_added(name, value, after=after, before=before))


def replace_enum(name: str, values: Iterable[str]) -> None:
    """Give an enum type other values; locks and rewrites the tables, and fails if a row has a removed value."""
    op.invoke(enum_replaced(name, new=values))


def _words(name: str, state: str) -> Words:
    return Words("enum type", None, name, state)


def _listed(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in values)
