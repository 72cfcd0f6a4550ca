"""Causal tokens: what a user must see, on its way between processes; opaque to its carriers."""

import math
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, NamedTuple

from app.db.errors import InvalidInputError
from app.db.replicas.mark import MOST_XIDS

_VERSION: Final = 1
_HEAD: Final = struct.Struct(">BH")
_NO_DOUBT: Final = 0xFFFF
_LONGEST_DOUBT_SECONDS: Final = 3600
_MOST: Final = 1 + 2 * MOST_XIDS  # the server, a user's own transactions and everybody's
_MAX_NUMBER: Final = 2**63 - 1
MAX_CHARACTERS: Final = 4 * math.ceil((_HEAD.size + 8 * _MOST) / 3)


class Seen(NamedTuple):
    """The transactions that a token names and their server, or none and how long their user's writes may last."""

    server: int | None
    xids: tuple[int, ...]
    doubt_seconds: float | None = None


def write(server: int, xids: tuple[int, ...]) -> str:
    """Return the token for these transactions of a server."""
    return _written(_NO_DOUBT, server, *xids)


def write_doubt(seconds: float) -> str:
    """Return the token for writes of unknown transactions, which end within so many seconds."""
    return _written(min(max(math.ceil(seconds), 0), _LONGEST_DOUBT_SECONDS))


def read(token: str) -> Seen:
    """Return what was written into the token; raises `InvalidInputError`."""
    try:
        content = _content(token)
        version, doubt = _HEAD.unpack_from(content)
        count, rest = divmod(len(content) - _HEAD.size, 8)
        numbers: tuple[int, ...] = struct.unpack_from(f">{count}Q", content, _HEAD.size)
    except (ValueError, struct.error):
        raise InvalidInputError("the causal token is damaged: send one as it was issued, or none") from None
    known = bool(numbers) if doubt == _NO_DOUBT else doubt <= _LONGEST_DOUBT_SECONDS and not numbers
    if version != _VERSION or rest or not known or count > _MOST or any(each > _MAX_NUMBER for each in numbers):
        raise InvalidInputError("the causal token is not one of this version: send none, and read again")
    return Seen(numbers[0], numbers[1:]) if numbers else Seen(None, (), float(doubt))


def _written(doubt: int, *numbers: int) -> str:
    content = _HEAD.pack(_VERSION, doubt) + struct.pack(f">{len(numbers)}Q", *numbers)
    return urlsafe_b64encode(content).decode().rstrip("=")


def _content(token: str) -> bytes:
    if len(token) > MAX_CHARACTERS:
        raise ValueError
    content = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    if urlsafe_b64encode(content).decode().rstrip("=") != token:
        raise ValueError
    return content
