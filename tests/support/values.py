"""Values of the models that go into a repository, made from the models' own fields."""

import types
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin
from uuid import UUID

from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BY_TYPE: Final[Mapping[type, Callable[[int], Any]]] = {
    bool: lambda n: n % 2 == 1,
    bytes: lambda n: b"%d" % n,
    date: lambda n: _EPOCH.date() + timedelta(days=n),
    datetime: lambda n: _EPOCH + timedelta(days=n),
    Decimal: Decimal,
    float: float,
    int: int,
    timedelta: lambda n: timedelta(seconds=n),
    UUID: lambda n: UUID(int=n),
}


def value_of(model: type[Model], n: int = 0) -> Model:
    """Return the `n`-th instance of `model` with every field set; neighbours differ where a field allows it."""
    return model.model_validate({name: _value(name, field, n) for name, field in model.model_fields.items()})


def _value(name: str, field: FieldInfo, n: int) -> Any:
    type_ = _type(field.annotation)
    if issubclass(type_, Enum):
        return list(type_)[n % len(type_)]
    if issubclass(type_, str):
        return f"{name} {n}"[: _longest(field)]
    return _BY_TYPE[type_](n)


def _type(annotation: Any) -> type:
    """Return the class of an annotation: of ``Annotated[str, ...] | None`` it is `str`."""
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _type(next(each for each in get_args(annotation) if each is not types.NoneType))
    assert isinstance(annotation, type), annotation
    return annotation


def _longest(field: FieldInfo) -> int | None:
    return next((each.max_length for each in field.metadata if isinstance(each, MaxLen)), None)
