"""Causal tokens: what a user must see, on its way between processes; opaque to its carriers."""

import math
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from app.db.errors import InvalidInputError
from app.db.replicas.mark import MOST_XIDS

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BH")
_NO_DOUBT: Final = 0xFFFF
_LONGEST_DOUBT_SECONDS: Final = 3600
_MOST: Final = 2 * MOST_XIDS  # a user's own and everybody's
_MAX_XID: Final = 2**63 - 1
MAX_CHARACTERS: Final = 4 * math.ceil((_HEAD.size + 8 * _MOST) / 3)


def write(xids: tuple[int, ...], *, doubt_seconds: float | None = None) -> str:
    """Return the token for these transactions, or for writes of unknown ones that end within `doubt_seconds`."""
    doubt = _NO_DOUBT
    if doubt_seconds is not None:
        doubt, xids = min(max(math.ceil(doubt_seconds), 0), _LONGEST_DOUBT_SECONDS), ()
    content = _HEAD.pack(_VERSION, doubt) + struct.pack(f">{len(xids)}Q", *xids)
    return urlsafe_b64encode(content).decode().rstrip("=")


def read(token: str) -> tuple[tuple[int, ...], float | None]:
    """Return what `write` was given; raises `InvalidInputError`."""
    try:
        content = _content(token)
        version, doubt = _HEAD.unpack_from(content)
        count, rest = divmod(len(content) - _HEAD.size, 8)
        xids: tuple[int, ...] = struct.unpack_from(f">{count}Q", content, _HEAD.size)
    except (ValueError, struct.error):
        raise InvalidInputError("the causal token is damaged: send one as it was issued, or none") from None
    known_doubt = doubt == _NO_DOUBT or (doubt <= _LONGEST_DOUBT_SECONDS and not xids)
    if version != _VERSION or rest or not known_doubt or count > _MOST or any(xid > _MAX_XID for xid in xids):
        raise InvalidInputError("the causal token is not one of this version: send none, and read again")
    return xids, None if doubt == _NO_DOUBT else float(doubt)


def _content(token: str) -> bytes:
    if len(token) > MAX_CHARACTERS:
        raise ValueError
    content = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    if urlsafe_b64encode(content).decode().rstrip("=") != token:
        raise ValueError
    return content
