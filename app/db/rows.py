"""From records to rows: read models, slices of a list, records, or the first column."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter
from sqlalchemy import Executable

from app.db.filling import filler_of

Row = TypeVar("Row")
Decoder = Callable[[Sequence[Any]], list[Row]]

MORE: Final = "more"
"""The column of a slice's records that says whether more follow."""


class Slice(NamedTuple, Generic[Row]):
    """Rows of a list: the one row that a query returns whose statement has further columns than the model."""

    items: list[Row]
    more: bool = False
    """Whether more rows follow: the last row's column `MORE`."""
    flags: Mapping[str, Any] = MappingProxyType({})
    """The first row's other columns."""


def count_of(rows: Sequence[Any]) -> int:
    """Return how many rows there are, those of a slice included."""
    return len(rows[0].items) if rows and isinstance(rows[0], Slice) else len(rows)


def decoder_of(row: type[Row], statement: Executable, *, last: str | None = None) -> Decoder[Row]:
    """Return the function that turns the statement's records into rows of this type.

    `last` is a column of the layer's own that follows those of the statement, and is left out.
    """
    more = [] if last is None else [last]
    if get_origin(row) is dict:
        return _dicts if last is None else partial(_dicts_without, last)
    if get_origin(row) is Slice:
        return _slice(get_args(row)[0], statement, more)
    return _models(row, statement, more) if issubclass(row, BaseModel) else _first_column


def _dicts(records: Sequence[Any]) -> list[Any]:
    return [dict(record) for record in records]


def _dicts_without(last: str, records: Sequence[Any]) -> list[Any]:
    rows = _dicts(records)
    for row in rows:
        del row[last]
    return rows


def _first_column(records: Sequence[Any]) -> list[Any]:
    return [next(iter(record.values())) for record in records]


def _slice(model: type[BaseModel], statement: Executable, more: Sequence[str]) -> Decoder[Any]:
    columns: Any = getattr(statement, "exported_columns", ())
    others = [column.name for column in columns if column.name not in model.model_fields]
    items = _models(model, statement, [*others, *more])
    flags = [name for name in others if name != MORE]
    has_more = MORE in others

    def decoded(records: Sequence[Any]) -> list[Any]:
        if not records:
            return [Slice([])]
        more = has_more and records[-1][MORE]
        return [Slice(items(records), more, {name: records[0][name] for name in flags})]

    return decoded


def _models(model: type[BaseModel], statement: Executable, more: Sequence[str]) -> Decoder[Any]:
    # Deferred: most models are filled, and need it for a record that they do not declare.
    adapter: TypeAdapter[list[Any]] = TypeAdapter(list[model], config=ConfigDict(defer_build=True))  # type: ignore[valid-type]  # a variable, but a class
    names = tuple(model.model_fields)

    def validated(records: Sequence[Any]) -> list[Any]:
        # In one call: a third less than one by one. The columns of `more` follow those of the model and are left out.
        return adapter.validate_python([dict(zip(names, record.values(), strict=False)) for record in records])

    return filler_of(model, statement, more, otherwise=validated) or validated
