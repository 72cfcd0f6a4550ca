"""Request bodies that would cost the service too much."""

import asyncio
import json

import pytest

from tests.api.attacks.victim import Victim
from tests.api.support import bearer
from tests.support.waiting import LIMIT_SECONDS

LIMIT = 5_000_000
SMALL = 65_536
LISTS = b"[" + b"[]," * 1_600_000 + b"[]]"


def keys(count: int) -> bytes:
    """Return a JSON object with unknown names."""
    return b"{" + b",".join(b'"k%d":1' % n for n in range(count)) + b"}"


def head(path: str, length: int, *, user_id: str | None = "ada", more: str = "") -> bytes:
    """Return the head of a request with a body."""
    token = f"Authorization: {bearer(user_id)['Authorization']}\r\n" if user_id else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\n{token}Content-Type: application/json\r\nConnection: close\r\n"
        f"{more}Content-Length: {length}\r\n\r\n"
    ).encode()


def status_of(answer: bytes) -> int:
    """Return the status of a response."""
    return int(answer.split()[1])


async def test_a_body_is_not_read_before_the_token_is_seen(victim: Victim) -> None:
    """Without the check, 5 MB of lists took 0.9 s and 243 MB, without a token."""
    async with victim.measured() as cost:
        assert status_of(await victim.answer(head("/messages", LIMIT, user_id=None))) == 401
    assert cost.requests < 200


@pytest.mark.parametrize("path", ["/tasks", "/conversations", "/tasks/1"])
async def test_where_no_content_is_sent_64_kb_are_read(victim: Victim, path: str) -> None:
    """The service refuses it from its headers alone."""
    assert status_of(await victim.answer(head(path, SMALL + 1))) == 413


@pytest.mark.parametrize("user_id", ["ada", None])
async def test_who_sends_a_refused_body_to_its_end_hears_why(victim: Victim, user_id: str | None) -> None:
    """Without reading the rest, the server resets the connection: a proxy reports a 502."""
    request = head("/tasks", LIMIT, user_id=user_id).replace(b"Connection: close\r\n", b"") + b" " * LIMIT
    async with victim.measured() as cost:
        for _ in range(10):
            reader, writer = await victim.connect()
            writer.write(request)
            await writer.drain()
            writer.write(head("/healthz", 0).replace(b"POST", b"GET"))
            answers = await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
            assert status_of(answers) == (413 if user_id else 401)
            assert answers.endswith(b'{"status":"ok"}')
            writer.close()
    assert cost.peak_megabytes < 200


EXPENSIVE: dict[str, bytes] = {
    "lists": LISTS,
    "lists in a field": b'{"role": "user", "content": ' + LISTS + b"}",
    "empty strings": b'{"content": ["' + b'","' * 1_600_000 + b'"]}',
    "400,000 names": keys(400_000),
    "numbers": b"[" + b"1," * 2_400_000 + b"1]",
    "quotes that are never closed": b'"' + b'\\"' * 2_400_000,
    "spaces": b" " * 4_900_000,
    "no UTF-8": b'"' + b"\xff" * 4_900_000 + b'"',
}


@pytest.mark.parametrize("name", EXPENSIVE)
async def test_a_long_body_costs_no_more_than_a_message_of_its_length(victim: Victim, name: str) -> None:
    """Before, 400,000 names took 3 s and 674 MB, and gave a 422 of 28 MB."""
    benign = json.dumps({"role": "user", "content": "x" * (len(EXPENSIVE[name]) - 100)}).encode()
    async with victim.measured() as usual:
        assert status_of(await victim.answer(head("/messages", len(benign)) + benign)) == 201
    async with victim.measured() as cost:
        answer = await victim.answer(head("/messages", len(EXPENSIVE[name])) + EXPENSIVE[name])
    assert status_of(answer) == 400
    assert len(answer) < 2_000
    assert cost.requests < usual.requests + 200
    assert cost.peak_megabytes < 200
    assert set(cost.statuses) == {200}


async def test_an_error_list_has_at_most_twenty_entries(victim: Victim) -> None:
    """Names are cut, pointers are escaped, and nothing of a value is repeated."""
    body = {"title": 1, "a/b~c": 1, "x" * 1_000: 1, "\u202e": 1} | {str(n): "secret" for n in range(80)}
    async with victim.client("ada") as client:
        answer = await client.post("/tasks", json=body)
    errors = answer.json()["errors"]
    assert (answer.status_code, len(errors)) == (422, 20)
    pointers = [error["pointer"] for error in errors]
    assert "/body/a~1b~0c" in pointers
    assert max(map(len, pointers)) < 120
    assert "\u202e" not in answer.text
    assert "secret" not in answer.text
    assert len(answer.content) < 5_000


async def test_an_object_has_at_most_a_hundred_names(victim: Victim) -> None:
    """Without the limit, the response would list an error for each of them."""
    body = keys(5_000)
    answer = await victim.answer(head("/tasks", len(body)) + body)
    assert status_of(answer) == 400
    assert len(answer) < 2_000


AMBIGUOUS = {
    "a name twice": b'{"title": "x", "title": "y"}',
    "a name twice below": b'{"title": "x", "colour": {"a": 1, "a": 2}}',
    "a name twice, escaped": b'{"title": "x", "t\\u0069tle": "y"}',
    "UTF-16": '{"title": "x"}'.encode("utf-16"),
    "UTF-32": '{"title": "x"}'.encode("utf-32-le"),
    "a byte order mark": b'\xef\xbb\xbf{"title": "x"}',
    "two documents": b'{"title": "x"}{"title": "y"}',
    "infinity": b'{"title": Infinity}',
    "an overlong number": b'{"title": 1' + b"0" * 5_000 + b"}",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_document_that_two_readers_read_differently_is_refused(victim: Victim, name: str) -> None:
    """A proxy that checks the body may use the first of two equal names, while the service uses the last."""
    body = AMBIGUOUS[name]
    answer = await victim.answer(head("/tasks", len(body)) + body)
    assert status_of(answer) == 400
    assert b"urn:problem:bad-request" in answer


async def test_a_body_in_chunks_of_one_byte_is_not_read_to_its_end(victim: Victim) -> None:
    """h11 spends as much time on a short chunk as on a long one."""
    token = f"Authorization: {bearer('ada')['Authorization']}\r\n"
    start = f"POST /messages HTTP/1.1\r\nHost: x\r\n{token}Content-Type: application/json\r\n".encode()
    async with victim.measured() as cost:
        answer = await victim.answer(start + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 500_000)
    assert answer == b""
    assert cost.requests < 500
    assert set(cost.statuses) == {200}


async def test_a_user_has_four_long_bodies_in_flight(victim: Victim) -> None:
    """Each body is in memory several times; another user's body is read meanwhile."""
    body = json.dumps({"role": "user", "content": "x" * 100_000}).encode()
    almost = body[:-1]
    held = [await victim.connect() for _ in range(4)]
    for _, writer in held:
        writer.write(head("/messages", len(body)) + almost)
        await writer.drain()
    async with victim.client("ada") as client, victim.client("grace") as other:
        for _ in range(100):
            answer = await client.post("/messages", content=body, headers={"Content-Type": "application/json"})
            if answer.status_code == 429:
                break
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        assert (await client.get("/tasks")).status_code == 200
        message = {"role": "user", "content": "x" * 100_000}
        assert (await other.post("/messages", json=message)).status_code == 201
    for _, writer in held:
        writer.transport.abort()
