"""The lines of an export: a header, a row each, and how many rows of each table there were."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Strict, ValidationError, create_model
from pydantic_core import to_json
from sqlalchemy import Column

from app.db.errors import InvalidInputError
from app.db.invalid import words_of
from app.userdata.tables import UserTable, kind_of, user_tables

VERSION: Final = 1
MEDIA_TYPE: Final = "application/x-ndjson"
_FORMAT: Final = "user-data"
_END: Final = "end"
HEADER: Final = to_json({"format": _FORMAT, "version": VERSION}) + b"\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file: its line, its table, its values; a column that refers to another row has that row's place."""

    line: int
    of: UserTable
    values: Mapping[str, Any]
    size: int


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, val_json_bytes="base64")


class _Header(_Model):
    format: str
    version: int


def row_line(table: str, place: int, values: Mapping[str, Any]) -> bytes:
    """Return the line of a row, which is the `place`-th of its table."""
    # The same bytes in each process: pydantic writes times in UTC to the microsecond, and numbers in full.
    return to_json({table: {"id": place, **values}}, bytes_mode="base64", inf_nan_mode="strings") + b"\n"


def end_line(rows: Mapping[str, int]) -> bytes:
    """Return the last line."""
    return to_json({_END: rows}) + b"\n"


class Reader:
    """Reads a file line by line; what is wrong with it is an `InvalidInputError` that names the line."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self.line = 0
        self.rows = {each.name: 0 for each in user_tables()}
        """How many rows of each table have been read."""
        self._check_header()

    def error(self, problem: str) -> InvalidInputError:
        """Return the error for the last line that was read."""
        return InvalidInputError(f"line {self.line}: {problem}")

    def next_line(self) -> bytes:
        """Return the next line; raises the error if the file has ended."""
        self.line += 1
        line = next(self._lines, b"")
        if not line.endswith(b"\n"):
            raise self.error("the file ends here, before its last line: it is not complete")
        return line

    def follow(self, own: Sequence[bytes], of: UserTable) -> None:
        """Read the lines of rows that are there already; raises the error where the file has others."""
        for line in own:
            if self.next_line() != line:
                raise self.error(
                    "the user has data that is not of this file: erase the user first, or import into another one"
                )
        self.rows[of.name] += len(own)

    def read(self) -> Iterator[Row]:
        """Yield the rows that follow, up to the end of the file."""
        tables = {each.name: each for each in user_tables()}
        while True:
            line = self.next_line()
            ((name, value),) = self._parsed(line).items()
            if name == _END:
                self._check_end(value)
                return
            yield self._row(tables[name], dict(value), len(line))

    def _check_header(self) -> None:
        try:
            header = _Header.model_validate_json(self.next_line())
        except ValidationError:
            raise self.error("this is not an export of a user's data") from None
        if header.format != _FORMAT:
            raise self.error("this is not an export of a user's data")
        if header.version != VERSION:
            raise self.error(f"version {header.version} of the format; this code reads version {VERSION}")

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            found = _line_model().model_validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
            place = ".".join(map(str, problem["loc"]))
            raise self.error(f"{place}: {words_of(problem)}" if place else words_of(problem)) from None
        values = {name: getattr(found, name) for name in found.model_fields_set if getattr(found, name) is not None}
        if len(values) != 1:
            raise self.error("one row, or the end, was expected")
        return values

    def _row(self, of: UserTable, values: dict[str, Any], size: int) -> Row:
        self.rows[of.name] += 1
        if values.pop("id") != self.rows[of.name]:
            raise self.error(f"{of.name} {self.rows[of.name]} was expected: a line is missing, or there twice")
        for column, parent in of.parents.items():
            if values[column] is not None and not 1 <= values[column] <= self.rows[parent]:
                raise self.error(f"{of.name}.{column}: there is no {parent} {values[column]} before this line")
        return Row(self.line, of, values, size)

    def _check_end(self, rows: Mapping[str, int]) -> None:
        if {**dict.fromkeys(self.rows, 0), **rows} != self.rows:
            raise self.error("the file had other numbers of rows when it was written: it is not complete")
        if next(self._lines, b""):
            self.line += 1
            raise self.error("nothing was expected after the end")


@cache
def _line_model() -> type[BaseModel]:
    fields: dict[str, Any] = {each.name: (_row_model(each) | None, None) for each in user_tables()}
    fields[_END] = (dict[str, int] | None, None)
    model: type[BaseModel] = create_model("Line", __base__=_Model, **fields)
    return model


def _row_model(of: UserTable) -> Any:
    fields: dict[str, Any] = {column.name: _field(column) for column in of.columns}
    return create_model(of.name, __base__=_Model, id=(int, ...), **fields)


def _field(column: Column[Any]) -> tuple[Any, Any]:
    """Return the type and the default: what an older export does not have is null, or filled by the database."""
    kind: Any = kind_of(column)
    if kind is float:
        kind = Annotated[float, Strict(strict=False)]  # JSON has no number for NaN
    return (kind | None, None) if column.nullable or column.server_default is not None else (kind, ...)
