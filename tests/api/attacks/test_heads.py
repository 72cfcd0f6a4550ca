"""Endless request heads, and ambiguous ones."""

import json
from collections.abc import Callable, Iterator

import pytest

from tests.api.attacks.victim import Victim
from tests.api.support import bearer

OFFERED_BYTES = 40_000_000
TAKEN_BYTES = 16_000_000  # the buffers of two sockets
REQUEST = b"GET /tasks HTTP/1.1\r\nHost: x\r\n"


def one_long_header() -> Iterator[bytes]:
    """Yield a header that does not end."""
    yield REQUEST + b"X-A: "
    while True:
        yield b"a" * 65_536


def many_headers() -> Iterator[bytes]:
    """Yield header after header."""
    yield REQUEST
    while True:
        yield b"x-a: b\r\n" * 8_192


def a_long_address() -> Iterator[bytes]:
    """Yield a path that does not end."""
    yield b"GET /"
    while True:
        yield b"a" * 65_536


@pytest.mark.parametrize("attack", [one_long_header, many_headers, a_long_address])
async def test_a_head_without_end_is_refused_where_it_becomes_too_long(
    victim: Victim, attack: Callable[[], Iterator[bytes]]
) -> None:
    """Before, 150 MB in one header took 21 s of processor time, and no other client got a response meanwhile."""
    async with victim.measured() as cost:
        taken = await _taken(victim, attack())
    assert taken < TAKEN_BYTES
    assert cost.requests < 500
    assert set(cost.statuses) == {200}


async def _taken(victim: Victim, parts: Iterator[bytes]) -> int:
    """Return how many bytes the service reads before it closes the connection."""
    reader, writer = await victim.connect()
    taken = 0
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            taken += len(part)
            if taken > OFFERED_BYTES or reader.at_eof():
                break
    except ConnectionError:
        pass
    writer.transport.abort()
    return taken


HOST = b"Host: x\r\n"
BODY = b'{"title": "x"}'
JSON = b"Content-Type: application/json\r\n"
HEADS: dict[str, tuple[int, bytes]] = {
    "101 headers": (431, HOST + b"x-a: b\r\n" * 101),
    "20 kB of headers": (431, HOST + b"x-a: " + b"b" * 20_000 + b"\r\n"),
    "9 kB of address": (414, HOST),
    "no host": (400, b""),
    "two hosts": (400, HOST + b"Host: y\r\n"),
    "an empty host": (400, b"Host:\r\n"),
    "a length of 4,400 digits": (400, HOST + JSON + b"Content-Length: " + b"1" * 4_400 + b"\r\n"),
    "a length that is no number": (400, HOST + JSON + b"Content-Length: 1_0\r\n"),
    "a negative length": (400, HOST + JSON + b"Content-Length: -1\r\n"),
    "two lengths": (400, HOST + JSON + b"Content-Length: 14\r\nContent-Length: 15\r\n"),
    "a length and chunks": (400, HOST + JSON + b"Content-Length: 14\r\nTransfer-Encoding: chunked\r\n"),
    "an unknown encoding": (501, HOST + JSON + b"Transfer-Encoding: gzip, chunked\r\n"),
    "a space before the colon": (400, HOST + b"Authorization : x\r\n"),
    "a bare line feed in a value": (400, HOST + b"x-a: b\x00c\r\n"),
    "repeated parameters": (422, HOST),
    "another charset": (415, HOST + b"Content-Type: application/json; charset=utf-16\r\nContent-Length: 14\r\n"),
    "another version": (400, HOST),
    "no token": (401, HOST),
}
TARGETS = {"9 kB of address": b"/tasks?after=" + b"a" * 9_000, "repeated parameters": b"/tasks?limit=1&limit=2"}


@pytest.mark.parametrize("name", HEADS)
async def test_a_head_with_two_meanings_or_none_is_refused(victim: Victim, name: str) -> None:
    """The only response is a problem, and the log has no traceback for it."""
    status, headers = HEADS[name]
    token = b"" if name == "no token" else f"Authorization: {bearer('ada')['Authorization']}\r\n".encode()
    method = b"POST " if b"Content-Type" in headers else b"GET "
    version = b"HTTP/2.0" if name == "another version" else b"HTTP/1.1"
    request = (
        method
        + TARGETS.get(name, b"/tasks")
        + b" "
        + version
        + b"\r\nConnection: close\r\n"
        + headers
        + token
        + b"\r\n"
    )
    head, _, body = (await victim.answer(request + BODY)).partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert head.split()[1] == str(json.loads(body)["status"]).encode()
    assert json.loads(body)["status"] in (status, 400)  # h11 refuses some of them before the gate does
    assert b"content-type: application/problem+json" in lines
    assert {b"cache-control: no-store", b"x-content-type-options: nosniff"} <= set(lines)
    assert not any(line.startswith(b"server:") for line in lines)


async def test_a_body_that_is_not_http_leaves_no_traceback(migrated_url: str) -> None:
    """The application answers a request that the server has answered: 3 kB of log for 100 bytes of a stranger."""
    request = b"POST /tasks HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    async with Victim.running(migrated_url) as victim:
        answer = await victim.answer(request)
        said = await victim.said()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert "ERROR" not in said
    assert "Traceback" not in said


async def test_a_trailer_does_not_become_a_header(victim: Victim) -> None:
    """Trailers after the body cannot set the user."""
    request = b"POST /tasks HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    trailer = f"Authorization: {bearer('ada')['Authorization']}\r\n\r\n".encode()
    answer = await victim.answer(request + b"e\r\n" + BODY + b"\r\n0\r\n" + trailer)
    assert answer.startswith(b"HTTP/1.1 401 ")
