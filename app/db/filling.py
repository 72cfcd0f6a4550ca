"""Read models filled without validation, where the driver's values are what their fields declare.

Measured, and what holds the two ways equal: docs/decisions/0016-read-models-are-filled.md.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any, Final, get_args
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy.types import TypeEngine

Fill = Callable[[Sequence[Any]], list[Any]]

# What asyncpg returns for a column of the type; a type that is not here is validated.
_RETURNED: Final[Mapping[type[TypeEngine[Any]], type]] = {
    sa.BigInteger: int,
    sa.Boolean: bool,
    sa.Date: dt.date,
    sa.Double: float,
    sa.Integer: int,
    sa.Interval: dt.timedelta,
    sa.LargeBinary: bytes,
    sa.Numeric: Decimal,
    sa.SmallInteger: int,
    sa.String: str,
    sa.Text: str,
    sa.Uuid: UUID,
}
# Where pydantic documents that an instance keeps its fields, their names, further fields and private attributes.
_SLOTS: Final[Mapping[str, str]] = {
    "fields": "__dict__",
    "names": "__pydantic_fields_set__",
    "extra": "__pydantic_extra__",
    "private": "__pydantic_private__",
}
_HARMLESS_CONFIGURATION: Final = frozenset(
    {"defer_build", "frozen", "from_attributes", "hide_input_in_errors", "ser_json_bytes", "title", "val_json_bytes"}
)


def filler_of(model: type[BaseModel], statement: sa.Executable, more: Sequence[str], *, otherwise: Fill) -> Fill | None:
    """Return the function that makes instances of `model` of the statement's records; None where it must validate.

    Columns named in `more` follow those of the model and are left out. A record with a null or an enum value that the
    model does not declare goes to `otherwise`, which raises what validation raises.
    """
    types = _types_returned(statement)
    if not _is_plain(model) or not all(_fits(field, types.get(name)) for name, field in model.model_fields.items()):
        return None
    return _generated(model, more, otherwise)


def _types_returned(statement: sa.Executable) -> dict[str, type | None]:
    columns: Any = getattr(statement, "exported_columns", ())
    return {column.name: _returned(column.type) for column in columns}


def _returned(kind: TypeEngine[Any]) -> type | None:
    if isinstance(kind, sa.DateTime):
        return dt.datetime if kind.timezone else None
    return _RETURNED.get(type(kind))


def _is_plain(model: type[BaseModel]) -> bool:
    """Return whether validation of `model` does nothing but look at the types of its fields."""
    decorators = model.__pydantic_decorators__
    return not (
        decorators.validators
        or decorators.field_validators
        or decorators.root_validators
        or decorators.model_validators
        or model.__pydantic_post_init__
        or model.__pydantic_custom_init__
        or model.__pydantic_root_model__
        or model.__private_attributes__
        or model.model_config.keys() - _HARMLESS_CONFIGURATION
        or "__get_pydantic_core_schema__" in {name for each in _own_bases(model) for name in vars(each)}
    )


def _own_bases(model: type[BaseModel]) -> Iterator[type]:
    return (each for each in model.__mro__ if each not in BaseModel.__mro__)


def _fits(field: FieldInfo, returned: type | None) -> bool:
    kinds = _kinds(field)
    if returned is None or len(kinds) != 1 or field.metadata or field.validation_alias or field.discriminator:
        return False
    return kinds[0] is returned or (returned is str and _enum(field) is not None)


def _kinds(field: FieldInfo) -> list[Any]:
    return [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not NoneType]


def _enum(field: FieldInfo) -> type[StrEnum] | None:
    kind = _kinds(field)[0]
    return kind if isinstance(kind, type) and issubclass(kind, StrEnum) else None


def _members(field: FieldInfo) -> dict[str | None, StrEnum | None]:
    enum = _enum(field)
    assert enum is not None
    return {None: None, **{member.value: member for member in enum}}


def _generated(model: type[BaseModel], more: Sequence[str], otherwise: Fill) -> Fill:
    """Return a function written out for the fields of `model`, as a dataclass's ``__init__`` is."""
    fields = model.model_fields
    enums = {name: _members(field) for name, field in fields.items() if _enum(field)}
    required = [name for name, field in fields.items() if NoneType not in get_args(field.annotation)]
    values = ", ".join(f"{name!r}: " + (f"members_{name}[{name}]" if name in enums else name) for name in fields)
    source = f"""
def fill(records):
    rows = []
    try:
        for record in records:
            {", ".join([*fields, *more])}, = record.values()
            if {" or ".join(f"{name} is None" for name in required) or "False"}:
                return otherwise(records)
            row = new(model)
            set_fields(row, {{{values}}})
            set_names(row, {{{", ".join(map(repr, fields))}}})
            set_extra(row, None)
            set_private(row, None)
            rows.append(row)
    except KeyError:
        return otherwise(records)
    return rows
"""
    names: dict[str, Any] = {f"members_{name}": members for name, members in enums.items()}
    names |= {"model": model, "new": model.__new__, "otherwise": otherwise}
    names |= {f"set_{name}": vars(BaseModel)[slot].__set__ for name, slot in _SLOTS.items()}
    exec(source, names)  # noqa: S102 - of our models' names
    fill: Fill = names["fill"]
    return fill
