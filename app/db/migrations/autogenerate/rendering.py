"""Write column types into a revision so that it needs nothing but SQLAlchemy."""

from typing import Any, Final, Literal

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import ARRAY, Enum, Interval
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import AutoString

_CORE: Final = "sqlalchemy.sql."


def enum_of(kind: TypeEngine[Any]) -> Enum | None:
    """Return the enum type of a column, or of its array's items, in the database; None for other types."""
    if isinstance(kind, ARRAY):
        return enum_of(kind.item_type)
    if isinstance(kind, TypeDecorator):
        return enum_of(kind.impl_instance)
    return kind if isinstance(kind, Enum) and kind.native_enum else None


def render_type(kind: str, value: Any, context: AutogenContext) -> str | Literal[False]:
    """Return the type as Python source; False where Alembic's own rendering is right."""
    if kind != "type":
        return False
    if isinstance(value, AutoString):
        return "sa.String()" if value.length is None else f"sa.String(length={value.length})"
    enum = enum_of(value)
    if enum is None:
        return _in_core(value)
    context.imports.add("from sqlalchemy.dialects import postgresql")
    # A separate operation creates it, once: two tables may use it.
    rendered = f"postgresql.ENUM({', '.join(map(repr, enum.enums))}, name={enum.name!r}, create_type=False)"
    return f"sa.ARRAY({rendered})" if enum is not value and _is_array(value) else rendered


def _in_core(value: Any) -> str | Literal[False]:
    """Return the database type behind a type decorator; `Interval` is one for servers that have no intervals."""
    if (
        not isinstance(value, TypeDecorator)
        or isinstance(value, Interval)
        or not type(value.impl_instance).__module__.startswith(_CORE)
    ):
        return False
    return f"sa.{value.impl_instance!r}"


def _is_array(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind.impl_instance if isinstance(kind, TypeDecorator) else kind, ARRAY)
