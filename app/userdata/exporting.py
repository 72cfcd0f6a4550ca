"""Everything that a user has, as lines of JSON, in constant memory."""

from array import array
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Self

from app.db.errors import InvalidInputError, StaleRowError
from app.db.executor import Executor
from app.db.models.base import MAX_BIGINT, MIN_BIGINT
from app.repositories.checks import checked_user_id
from app.repositories.cursor import CursorFormat
from app.userdata.lines import HEADER, end_line, row_line
from app.userdata.statements import PAGE_ROWS, bound_of, extent, ids, page
from app.userdata.tables import UserTable, user_tables

_IDS_AT_ONCE: Final = 10_000
_SCOPE: Final = "user data"


@dataclass(frozen=True, slots=True)
class Extent:
    """Which rows of a table there were at the start: up to an id, so many, and a mark that tells them from others."""

    bound: int
    rows: int
    mark: int


@dataclass(frozen=True, slots=True)
class Part:
    """Lines of rows of one table."""

    of: UserTable
    lines: list[bytes]


class Export:
    """The rows that a user had when it began; each page is one statement, and no connection is held in between.

    Rows that are added later are not in it. One that is changed meanwhile is in it as its page finds it, one that is
    deleted meanwhile may be missing, with the rows that refer to it. The memory that it takes is 8 bytes for each row
    that others refer to, and a page.
    """

    def __init__(self, executor: Executor, user_id: str, extents: dict[str, Extent], *, after: int = 0) -> None:
        self._executor = executor
        self._user_id = user_id
        self._extents = extents
        self._after = after
        self.rows = {each.name: 0 for each in user_tables()}
        """How many rows of each table are in the lines up to here."""
        self.ids = {each.name: array("q") for each in user_tables() if each.is_parent}
        """The ids of the rows up to here that others refer to, in order: a row's place is its index and 1."""

    @classmethod
    async def begin(cls, executor: Executor, user_id: str, *, token: str | None = None, after: int = 0) -> Self:
        """Begin, or go on after so many lines of an export that had this token.

        Raises `InvalidCursorError` for a token that is not of this user, and `StaleRowError` where rows have been
        deleted since: the lines that were read already would not belong to those that follow.
        """
        user_id = checked_user_id(user_id)
        if after < 0 or (after and token is None):
            raise InvalidInputError("after: a number of lines of the export that the token is of")
        if token is None:
            return cls(executor, user_id, await extents_of(executor, user_id, {}))
        wanted = _read_token(token, user_id)
        found = await extents_of(executor, user_id, {name: each.bound for name, each in wanted.items()})
        if found != wanted:
            raise StaleRowError("rows have been deleted since the export began: begin again")
        return cls(executor, user_id, wanted, after=after)

    @property
    def token(self) -> str:
        """What continues this export, together with how many lines of it there are."""
        values = (value for each in self._extents.values() for value in (each.bound, each.rows, each.mark))
        return _token_format().write(tuple(values), _SCOPE, self._user_id)

    async def lines(self) -> AsyncIterator[bytes]:
        """Yield the lines, many at a time: all parts joined are the file."""
        lines = sum(each.rows for each in self._extents.values()) + 2
        if self._after == 0:
            yield HEADER
        async for part in self.parts():
            yield b"".join(part.lines)
        if self._after < lines:
            yield end_line(self.rows)

    async def parts(self) -> AsyncIterator[Part]:
        """Yield the lines of the rows by page."""
        skipped = max(self._after - 1, 0)
        for of in user_tables():
            known = min(skipped, self._extents[of.name].rows)
            skipped -= known
            place = await self._skip(of, known)
            async for lines in self._pages(of, place):
                yield Part(of, lines)

    async def _skip(self, of: UserTable, rows: int) -> int:
        """Return the id of the last of so many rows, and remember the ids if others refer to them."""
        self.rows[of.name] = rows
        if not rows:
            return MIN_BIGINT
        if not of.is_parent:
            return (await self._ids(of, MIN_BIGINT, skip=rows - 1, limit=1))[0]
        known, place = self.ids[of.name], MIN_BIGINT
        while len(known) < rows:
            known.extend(await self._ids(of, place, limit=min(rows - len(known), _IDS_AT_ONCE)))
            place = known[-1]
        return place

    async def _ids(self, of: UserTable, place: int, *, limit: int, skip: int = 0) -> list[int]:
        sent = {"p_user_id": self._user_id, "p_place": place, "p_skip": skip, "p_limit": limit}
        found = await self._executor.fetch(ids(of), sent)
        if not found:
            raise StaleRowError("rows have been deleted since the export began: begin again")
        return found

    async def _pages(self, of: UserTable, place: int) -> AsyncIterator[list[bytes]]:
        bound = self._extents[of.name].bound
        more = place < bound
        while more:
            sent = {"p_user_id": self._user_id, "p_place": place, "p_limit": PAGE_ROWS + 1}
            rows = await self._executor.fetch(page(of), sent)
            more = len(rows) > PAGE_ROWS or bool(rows and rows[-1].get("more"))
            rows = rows[:PAGE_ROWS]
            place = rows[-1]["id"] if rows else bound
            if lines := list(self._written(of, rows, bound)):
                yield lines
            more = more and place < bound

    def _written(self, of: UserTable, rows: list[dict[str, Any]], bound: int) -> Iterator[bytes]:
        names = [column.name for column in of.columns]
        for row in rows:
            values = {name: row[name] for name in names}
            if row["id"] > bound or not self._refers(of, values):
                continue
            self.rows[of.name] += 1
            if of.is_parent:
                self.ids[of.name].append(row["id"])
            yield row_line(of.name, self.rows[of.name], values)

    def _refers(self, of: UserTable, values: dict[str, Any]) -> bool:
        """Put the places of rows for their ids, and return whether all of them are in the export."""
        for column, parent in of.parents.items():
            known, id_ = self.ids[parent], values[column]
            if id_ is None:
                continue
            index = bisect_left(known, id_)
            if index == len(known) or known[index] != id_:
                return False
            values[column] = index + 1
        return True


async def extents_of(executor: Executor, user_id: str, bounds: dict[str, int]) -> dict[str, Extent]:
    """Return how many rows each table has up to its bound; up to any id where there is none."""
    sent = {bound_of(each): bounds.get(each.name, MAX_BIGINT) for each in user_tables()}
    found = await executor.fetch(extent(), {"p_user_id": user_id, **sent})
    by_name = {row["name"]: Extent(row["bound"], row["rows"], row["mark"]) for row in found}
    return {each.name: by_name[each.name] for each in user_tables()}


def _read_token(token: str, user_id: str) -> dict[str, Extent]:
    values = iter(_token_format().read(token, _SCOPE, user_id))
    return {each.name: Extent(next(values), next(values), next(values)) for each in user_tables()}


def _token_format() -> CursorFormat:
    return CursorFormat(f"<{3 * len(user_tables())}q")
