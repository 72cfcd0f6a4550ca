"""Create, extend, replace and drop enum types in the schema that the migration works in."""

from collections.abc import Iterable, Sequence
from typing import Final

from alembic import op

from app.db.migrations.operations.base import SqlOperation, literal, quoted

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


class CreateEnum(SqlOperation):
    """Create the type."""

    called = "create_enum"

    def __init__(self, name: str, values: Iterable[str]) -> None:
        self.name, self.values = name, tuple(values)

    def sql(self) -> str:
        """Return the statement."""
        return f"create type {quoted(self.name)} as enum ({_listed(self.values)})"

    def arguments(self) -> str:
        """Return name and values."""
        return f"{self.name!r}, {list(self.values)!r}"

    def reverse(self) -> "DropEnum":
        """Return the operation that undoes this one."""
        return DropEnum(self.name, self.values)


class DropEnum(SqlOperation):
    """Drop the type, which no column uses any more."""

    called = "drop_enum"

    def __init__(self, name: str, values: Iterable[str] = ()) -> None:
        self.name, self.values = name, tuple(values)

    def sql(self) -> str:
        """Return the statement."""
        return f"drop type {quoted(self.name)}"

    def arguments(self) -> str:
        """Return the name."""
        return repr(self.name)

    def reverse(self) -> CreateEnum:
        """Return the operation that undoes this one."""
        return CreateEnum(self.name, self.values)


class AddEnumValue(SqlOperation):
    """Add one value; `old` and `new` are all values before and after."""

    called = "add_enum_value"

    def __init__(
        self,
        name: str,
        value: str,
        *,
        after: str | None = None,
        before: str | None = None,
        old: Sequence[str] = (),
        new: Sequence[str] = (),
    ) -> None:
        self.name, self.value, self.after, self.before = name, value, after, before
        self.old, self.new = tuple(old), tuple(new)

    def sql(self) -> str:
        """Return the statement."""
        place = (
            f" after {literal(self.after)}" if self.after else f" before {literal(self.before)}" if self.before else ""
        )
        return f"alter type {quoted(self.name)} add value if not exists {literal(self.value)}{place}"

    def arguments(self) -> str:
        """Return type, value and position."""
        place = f", after={self.after!r}" if self.after else f", before={self.before!r}" if self.before else ""
        return f"{self.name!r}, {self.value!r}{place}"

    def reverse(self) -> "ReplaceEnum":
        """Return the operation that undoes this one."""
        return ReplaceEnum(self.name, old=self.new, new=self.old)


class ReplaceEnum(SqlOperation):
    """Remove or reorder values: the columns are rewritten, under a lock."""

    called = "replace_enum"

    def __init__(self, name: str, *, new: Iterable[str], old: Iterable[str] = ()) -> None:
        self.name, self.old, self.new = name, tuple(old), tuple(new)

    def sql(self) -> str:
        """Return the statement."""
        name, old_name = quoted(self.name), quoted(f"{self.name}_old")
        return _REPLACE.format(
            name=name,
            old_name=old_name,
            name_literal=literal(name),
            values=_listed(self.new),
            old_cast=literal(f"::{old_name}"),
            new_cast=literal(f"::{name}"),
        )

    def arguments(self) -> str:
        """Return name and values."""
        return f"{self.name!r}, {list(self.new)!r}"

    def reverse(self) -> "ReplaceEnum":
        """Return the operation that undoes this one."""
        return ReplaceEnum(self.name, old=self.new, new=self.old)


def create_enum(name: str, values: Iterable[str]) -> None:
    """Create an enum type."""
    op.invoke(CreateEnum(name, values))


def drop_enum(name: str) -> None:
    """Drop an enum type that no column uses."""
    op.invoke(DropEnum(name))


def add_enum_value(name: str, value: str, *, after: str | None = None, before: str | None = None) -> None:
    """Add a value next to another, or at the end; no statement in the same revision may use it."""
    op.invoke(AddEnumValue(name, value, after=after, before=before))


def replace_enum(name: str, values: Iterable[str]) -> None:
    """Give an enum type other values; locks and rewrites the tables, and fails if a row has a removed value."""
    op.invoke(ReplaceEnum(name, new=values))


def _listed(values: Iterable[str]) -> str:
    return ", ".join(literal(value) for value in values)
