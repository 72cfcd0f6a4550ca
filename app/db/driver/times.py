"""Times on their way to a timestamptz: asyncpg takes one without a time zone for the machine's local time.

Only the server knows which parameters are of such a type, so the check is at the driver, once for every way that leads
there. Not checked are a field of a composite parameter, since the driver tells the type of the whole (cast the field in
SQL instead: ``row(cast(:at as timestamptz), :note)``), and what the raw connection's `cursor` and `COPY` send.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

from asyncpg import Range

from app.db.errors import InvalidInputError

_ZONED: Final = frozenset({"timestamptz", "tstzrange", "tstzmultirange"})


def _is_naive(value: Any) -> bool:
    """Return whether `value` is a date, or a time without a time zone, or has one in a list or range."""
    if isinstance(value, datetime):
        return value.utcoffset() is None
    if isinstance(value, Range):
        return _is_naive(value.lower) or _is_naive(value.upper)
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | memoryview):
        return any(map(_is_naive, value))
    return isinstance(value, date)


class CheckedStatement:
    """A prepared statement of asyncpg whose parameters at `places` are of a type with a time zone."""

    __slots__ = ("_places", "_statement")

    def __init__(self, statement: Any, places: Sequence[int]) -> None:
        self._statement = statement
        self._places = places

    def __getattr__(self, name: str) -> Any:
        return getattr(self._statement, name)

    def check(self, arguments: Sequence[Any]) -> None:
        """Raise `InvalidInputError` for an argument that is a time without a time zone, where the server wants one."""
        for place in self._places:
            if place < len(arguments) and _is_naive(arguments[place]):  # asyncpg reports a missing one
                raise InvalidInputError("a time must have timezone information: write datetime.now(UTC)")

    async def fetch(self, *arguments: Any, **more: Any) -> Any:
        """Return the rows, as asyncpg does."""
        self.check(arguments)
        return await self._statement.fetch(*arguments, **more)

    def cursor(self, *arguments: Any, **more: Any) -> Any:
        """Return a server-side cursor, as asyncpg does."""
        self.check(arguments)
        return self._statement.cursor(*arguments, **more)


def checked(statement: Any) -> Any:
    """Return the prepared statement, which checks its arguments if one is of a type with a time zone."""
    kinds = (each.name.removesuffix("[]") for each in statement.get_parameters())
    places = [place for place, kind in enumerate(kinds) if kind in _ZONED]
    return CheckedStatement(statement, places) if places else statement


def any_is_naive(rows: Iterable[Sequence[Any]]) -> bool:
    """Return whether a value in the rows would be refused where the server wants a time zone."""
    return any(map(_is_naive, rows))
