"""Pages and the opaque cursors between them."""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Self, TypeVar

from app.db.errors import InvalidCursorError

Item = TypeVar("Item")
_CHECKSUM_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list.

    `next_cursor` goes where the page's own cursor went (`after`, or `before` when paging backwards), and is None
    when nothing more is there now. `end_cursor` is the place of the last item, also on the last page: who waits for
    what comes later polls with ``after=page.end_cursor``. `start_cursor` is the place of the first item. A page without
    items stays at the cursor that it was asked for with.
    """

    items: list[Item]
    next_cursor: str | None
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(
        cls,
        rows: list[Item],
        limit: int,
        cursor: Callable[[Item], str],
        *,
        asked: str | None = None,
        backwards: bool = False,
    ) -> Self:
        """Return the page of `rows`, read from `asked` on in its direction, one more than `limit` if more follows."""
        items, more = rows[:limit], len(rows) > limit
        if not items:
            return cls([], None, asked if backwards else None, None if backwards else asked)
        first, last = cursor(items[0]), cursor(items[-1])
        if backwards:
            return cls(items[::-1], last if more else None, last, first)
        return cls(items, last if more else None, first, last)


class CursorFormat:
    """How the places of one list are written: packed numbers and a checksum over them, the list and its user.

    The checksum refuses what is damaged, invented, or of another list, user or filter. It is no secret, and need not
    be: every statement carries `user_id`, so a cursor can only move within the caller's own rows.
    """

    def __init__(self, layout: str) -> None:
        self._struct = struct.Struct(layout)

    def write(self, place: tuple[int, ...], *scope: object) -> str:
        """Return the cursor of a place in the list that `scope` names."""
        packed = self._struct.pack(*place)
        return base64.urlsafe_b64encode(_checksum(packed, scope) + packed).rstrip(b"=").decode()

    def read(self, cursor: str, *scope: object) -> tuple[int, ...]:
        """Return the place; raises `InvalidCursorError` unless `write` made this cursor for the same list."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            place: tuple[int, ...] = self._struct.unpack(raw[_CHECKSUM_BYTES:])
        except (AttributeError, TypeError, ValueError, binascii.Error, struct.error):
            raise InvalidCursorError("the cursor is not one that this list gave out") from None
        if self.write(place, *scope) != cursor:
            raise InvalidCursorError("the cursor is damaged, or belongs to another list, filter or user")
        return place


def _checksum(packed: bytes, scope: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr(scope).encode() + packed, digest_size=_CHECKSUM_BYTES).digest()
