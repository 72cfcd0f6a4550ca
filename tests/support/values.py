"""Values of the models that go into a repository, made from the models' own fields."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound=BaseModel)

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_FEW: Final = 7
"""Of numbers that a field bounds."""
_LONGEST: Final = 64
"""Of texts whose length a field bounds."""


def value_of(model: type[Model], n: int = 0, given: Mapping[str, Any] = MappingProxyType({})) -> Model:
    """Return the `n`-th instance of `model` with every field set; neighbours differ where a field allows it."""
    made = {name: _value(name, field, n) for name, field in model.model_fields.items() if name not in given}
    return model.model_validate(made | {name: value for name, value in given.items() if name in model.model_fields})


def _value(name: str, field: FieldInfo, n: int) -> Any:
    """Return one of the field's examples, or the first value that its type accepts."""
    if examples := field.examples or _examples(field.annotation):
        return examples[n % len(examples)]
    type_: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    adapter = TypeAdapter[Any](type_)
    for value in _possible(name, field, n):
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError:
            continue
        return value
    raise AssertionError(f"no value is known for {name}: give the field some, as in Field(examples=[...])")


def _possible(name: str, field: FieldInfo, n: int) -> Iterator[Any]:
    for choices in _choices(field.annotation):
        yield choices[n % len(choices)]
    text = f"{n} {name}"
    yield text
    yield from (text[:length].ljust(length, "x") for length in range(_LONGEST, 0, -1))
    at, few = _EPOCH + timedelta(days=n), n % _FEW
    yield from (n % 2 == 1, n, few, few + 1, n % 2, Decimal(n), Decimal(few), Decimal(few + 1), float(n), few / _FEW)
    yield from (at, at.replace(tzinfo=None), at.date(), time(few), timedelta(seconds=n))
    later = at + timedelta(days=36_500)
    yield from (later, later.date(), UUID(int=n), b"%d" % n, [text], [n], {text: n})


def _examples(annotation: Any) -> list[Any]:
    """Return the examples of an annotation such as ``Annotated[str, Field(examples=[...])] | None``."""
    own = [each for each in get_args(annotation)[1:] if isinstance(each, FieldInfo)]
    nested = [each for argument in get_args(annotation) for each in _examples(argument)]
    return next((each.examples for each in own if each.examples), nested)


def _choices(annotation: Any) -> Iterator[list[Any]]:
    """Yield the members of each enum and each literal in an annotation such as ``Annotated[Kind, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        yield list(annotation)
    elif get_origin(annotation) is Literal:
        yield list(get_args(annotation))
    else:
        for argument in get_args(annotation):
            yield from _choices(argument)
