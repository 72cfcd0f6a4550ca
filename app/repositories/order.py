"""The order of an entity's pages, and the cursors of its places."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, DateTime, Select, Table, bindparam, tuple_

from app.db.errors import InvalidCursorError
from app.db.models.base import MAX_BIGINT
from app.repositories.columns import P_PLACE, unseen
from app.repositories.cursor import CursorFormat

_BY_ID: Final = CursorFormat("<q")
_BY_TIME: Final = CursorFormat("<qq")  # microseconds since 1970, id
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AFTER_ALL: Final = datetime(9999, 12, 31, tzinfo=UTC)


def newest_first(columns: Any) -> list[ColumnElement[Any]]:
    """Return the order of the index that `newest_first` of the models makes."""
    return [columns.id.desc().nulls_last()]


def oldest_first(columns: Any) -> list[ColumnElement[Any]]:
    """Return the same order backwards."""
    return [columns.id.asc().nulls_first()]


class NewestFirst:
    """By id, downwards."""

    def __init__(self, table: Table) -> None:
        self._id = table.c.id

    def by(self, columns: Any) -> list[ColumnElement[Any]]:
        """Return the order of rows with these columns."""
        return newest_first(columns)

    def begin(self, rows: Select[Any]) -> Select[Any]:
        """Return the rows from the place on."""
        return rows.where(self._id < P_PLACE)

    def first(self) -> dict[str, Any]:
        """Return the parameters of the first page."""
        return {"p_place": MAX_BIGINT}

    def read(self, cursor: str, *scope: object) -> dict[str, Any]:
        """Return the parameters of the page after the cursor; raises `InvalidCursorError`."""
        return {"p_place": _BY_ID.read(cursor, *scope)[0]}

    def write(self, row: Any, *scope: object) -> str:
        """Return the cursor of the row's place."""
        return _BY_ID.write((row.id,), *scope)


class LatestFirst:
    """By a time, downwards, then by id."""

    def __init__(self, table: Table, time: str) -> None:
        self._id, self._time = table.c.id, table.c[time]
        self._parameter = f"p_{time}"

    def by(self, columns: Any) -> list[ColumnElement[Any]]:
        """Return the order of rows with these columns."""
        return [columns[self._time.name].desc(), columns.id.desc()]

    def begin(self, rows: Select[Any]) -> Select[Any]:
        """Return the rows from the place on."""
        place = unseen(bindparam(self._parameter, type_=DateTime(timezone=True)))
        return rows.where(tuple_(self._time, self._id) < tuple_(place, P_PLACE))

    def first(self) -> dict[str, Any]:
        """Return the parameters of the first page."""
        return {self._parameter: _AFTER_ALL, "p_place": MAX_BIGINT}

    def read(self, cursor: str, *scope: object) -> dict[str, Any]:
        """Return the parameters of the page after the cursor; raises `InvalidCursorError`."""
        microseconds, id = _BY_TIME.read(cursor, *scope)
        try:
            return {self._parameter: _EPOCH + timedelta(microseconds=microseconds), "p_place": id}
        except OverflowError:  # the checksum is no secret: a cursor can be forged
            raise InvalidCursorError("the cursor has an invalid time") from None

    def write(self, row: Any, *scope: object) -> str:
        """Return the cursor of the row's place."""
        time: datetime = getattr(row, self._time.name)
        return _BY_TIME.write(((time - _EPOCH) // timedelta(microseconds=1), row.id), *scope)
