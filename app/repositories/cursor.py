"""The opaque cursors between pages."""

import base64
import binascii
import hashlib
import struct
from typing import Final

from app.db.errors import InvalidCursorError

_CHECKSUM_BYTES: Final = 8


class CursorFormat:
    """The form of one list's cursors: packed numbers, and a checksum of them, the list and its user.

    The checksum refuses a cursor that is damaged, invented, or of another list, user or filter. It needs no secret:
    every statement carries `user_id`, so a forged cursor only moves within the caller's own rows.
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
            raise InvalidCursorError("the cursor is not one of this list") from None
        if self.write(place, *scope) != cursor:
            raise InvalidCursorError("the cursor is damaged, or belongs to another list, filter or user")
        return place


def _checksum(packed: bytes, scope: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(repr(scope).encode() + packed, digest_size=_CHECKSUM_BYTES).digest()
