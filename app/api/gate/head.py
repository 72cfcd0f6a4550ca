"""What the head of a request may say."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from app.api.errors import (
    AddressTooLongError,
    ApiError,
    BadRequestError,
    HeadersTooLargeError,
    UnsupportedMediaTypeError,
)
from app.db.errors import InvalidInputError

Head = dict[str, str]
"""The headers that decide what becomes of a request; each is there at most once."""

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 16_384
_MAX_ADDRESS_BYTES: Final = 8_000
_MAX_PARAMETERS: Final = 100
_VERSIONS: Final = ("1.0", "1.1", "2", "3")  # the last two where another server than ours runs the application
_JSON: Final = "application/json"
_UTF8: Final = re.compile(r"\bcharset\s*=\s*\"?(?:utf-?8|us-ascii)\b", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
# Of two of these one would be obeyed and one ignored, and a proxy may obey the other.
_ONCE: Final = frozenset(
    (
        b"host authorization content-type content-length content-encoding transfer-encoding idempotency-key if-match"
    ).split()
)


def check_head(scope: Scope) -> Head:
    """Return the headers that decide; raises the `ApiError` or `InvalidInputError` that the head alone deserves."""
    if error := _size_error(scope):
        raise error
    head = _decisive(scope["headers"])
    if scope["http_version"] not in _VERSIONS:
        raise BadRequestError("HTTP: version 1.1 or 1.0")
    if scope["http_version"] != "1.0" and not head.get("host"):
        raise BadRequestError("Host: exactly once")
    if scope["query_string"]:
        _check_query(scope["query_string"])
    if has_body(head) and not _is_plain_json(head):
        raise UnsupportedMediaTypeError
    return head


def has_body(head: Head) -> bool:
    """Return whether a body follows; raises `BadRequestError` where its length is no number, or said in two ways."""
    length, encoding = head.get("content-length"), head.get("transfer-encoding")
    if length is not None and (encoding is not None or not _LENGTH.fullmatch(length)):
        raise BadRequestError("Content-Length: a number of bytes, and not together with Transfer-Encoding")
    return encoding is not None or (length is not None and int(length) > 0)


def declared_length(head: Head) -> int | None:
    """Return how many bytes the body will have, or None if only its end will tell."""
    return None if "transfer-encoding" in head else int(head.get("content-length", "0"))


def _size_error(scope: Scope) -> ApiError | None:
    if len(scope["raw_path"] or b"") + len(scope["query_string"]) > _MAX_ADDRESS_BYTES:
        return AddressTooLongError(f"path and query: at most {_MAX_ADDRESS_BYTES:,} bytes")
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return HeadersTooLargeError(f"at most {MAX_HEADERS} headers of {MAX_HEADER_BYTES:,} bytes together")
    return None


def _decisive(headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """Return the headers of `_ONCE` by name; raises `BadRequestError` where one is repeated."""
    found = [(name, value) for name, value in headers if name in _ONCE]
    head = {name.decode(): value.decode("latin-1") for name, value in found}
    if len(head) < len(found):
        names = [name.decode() for name, _ in found]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise BadRequestError(f"{', '.join(repeated)}: only once")
    return head


def _check_query(query: bytes) -> None:
    if not query.isascii():
        raise BadRequestError("query: what is not ASCII must be percent-encoded")
    if b"&" not in query:
        return
    try:
        fields = parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise BadRequestError(f"query: at most {_MAX_PARAMETERS} parameters") from None
    names = [name for name, _ in fields]
    if len(set(names)) < len(names):
        raise InvalidInputError("query: each parameter only once")


def _is_plain_json(head: Head) -> bool:
    media_type, _, parameters = head.get("content-type", "").lower().partition(";")
    is_utf8 = "charset" not in parameters or _UTF8.search(parameters)
    return media_type.strip() == _JSON and bool(is_utf8) and head.get("content-encoding", "identity") == "identity"
