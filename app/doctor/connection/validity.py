"""When a certificate is valid: Python tells it only of one that it verified."""

from datetime import UTC, datetime
from typing import Final

_UTC_TIME: Final = 0x17
_VERSION: Final = 0xA0
_LONG_FORM: Final = 0x80
_FIFTIES: Final = 50


def validity_of(certificate: bytes) -> tuple[datetime, datetime]:
    """Return the start and end of the validity of a certificate in DER."""
    _, fields, _ = _element(_element(certificate)[1])
    tag, _, rest = _element(fields)
    fields = rest if tag == _VERSION else fields  # version 1 does not say so
    for _ in range(3):  # serial number, algorithm, issuer
        _, _, fields = _element(fields)
    tag, first, rest = _element(_element(fields)[1])
    last_tag, last, _ = _element(rest)
    return _time(tag, first), _time(last_tag, last)


def _element(data: bytes) -> tuple[int, bytes, bytes]:
    """Return tag, content and what follows of the first element (X.690, 8.1)."""
    tag, length, start = data[0], data[1], 2
    if length & _LONG_FORM:
        start += length ^ _LONG_FORM
        length = int.from_bytes(data[2:start], "big")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, content: bytes) -> datetime:
    """Return a UTCTime, whose years are 1950 to 2049, or a GeneralizedTime (RFC 5280, 4.1.2.5)."""
    text = content.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        text = ("20" if int(text[:2]) < _FIFTIES else "19") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
