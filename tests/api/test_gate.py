"""Requests that are refused before their body is read, or that have only one reading."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.db.models.conversation import CONTENT_LIMIT_BYTES
from tests.api.support import Running, bearer, in_process, served_app
from tests.support.waiting import LIMIT_SECONDS

CHUNK = b"x" * 65_536


async def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(migrated_url: str, user_id: str) -> None:
    """The 413 comes when the client has sent only the headers."""
    async with served_app(migrated_url) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"POST /tasks HTTP/1.1\r\nHost: test\r\nAuthorization: {bearer(user_id)['Authorization']}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {CONTENT_LIMIT_BYTES}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer


async def test_a_body_without_a_length_is_read_only_up_to_the_limit(api: Running, client: httpx.AsyncClient) -> None:
    """Endless chunks do not fill the memory."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < CONTENT_LIMIT_BYTES:
            sent += len(CHUNK)
            yield CHUNK

    answer = await client.post("/tasks", content=endless(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert sent <= 5_000_000 + 2 * len(CHUNK)


async def test_a_content_that_no_row_can_hold_is_refused_where_the_limit_allows_it(
    migrated_url: str, user_id: str
) -> None:
    """With a higher limit the model still refuses a value that would end the database connection."""
    async with (
        in_process(migrated_url, max_body_bytes=2 * CONTENT_LIMIT_BYTES) as running,
        running.client(user_id) as client,
    ):
        body = b'{"role": "user", "content": "' + b"x" * CONTENT_LIMIT_BYTES + b'"}'
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/conversations/1/messages", content=body, headers=headers)
    assert (answer.status_code, len(answer.content) < 1000) == (422, True)


JSON = ("Content-Type", "application/json")
KEY = "6f2c1a52-6a0e-4a7e-9b52-0d3f3c0f5b11"
TASK = b'{"title": "x"}'
HEADERS: dict[str, tuple[str, str, list[tuple[str, str]], bytes, int]] = {
    "no type": ("POST", "/tasks", [], TASK, 415),
    "text": ("POST", "/tasks", [("Content-Type", "text/plain")], TASK, 415),
    "a form": ("POST", "/tasks", [("Content-Type", "application/x-www-form-urlencoded")], b"title=x", 415),
    "nonsense": ("POST", "/tasks", [("Content-Type", ";;;")], TASK, 415),
    "another JSON": ("PATCH", "/tasks/1", [("Content-Type", "application/merge-patch+json")], b"{}", 415),
    "compressed": ("POST", "/tasks", [JSON, ("Content-Encoding", "gzip")], TASK, 415),
    "in latin-1": ("POST", "/tasks", [JSON], '{"title": "ü"}'.encode("latin-1"), 400),
    "with a charset": ("POST", "/tasks", [("Content-Type", "Application/JSON; charset=utf-8")], TASK, 201),
    "two types": ("POST", "/tasks", [JSON, ("Content-Type", "text/plain")], TASK, 400),
    "two keys": ("POST", "/tasks", [JSON, ("Idempotency-Key", KEY), ("Idempotency-Key", KEY[::-1])], TASK, 400),
    "no key at all": ("POST", "/tasks", [JSON, ("Idempotency-Key", "")], TASK, 422),
    "a key of Windows": ("POST", "/tasks", [JSON, ("Idempotency-Key", "ÿ")], TASK, 422),
    "two tags": ("PATCH", "/tasks/1", [JSON, ("If-Match", "*"), ("If-Match", '"1"')], b"{}", 400),
    "two tokens": ("GET", "/tasks", [("Authorization", "Basic x")], b"", 400),
    "another type wanted": ("GET", "/tasks", [("Accept", "text/plain")], b"", 200),  # RFC 9110 lets us disregard it
    "an empty conversation": ("POST", "/conversations", [], b"", 201),
    "HEAD": ("HEAD", "/tasks", [], b"", 405),
    "HEAD of a row": ("HEAD", "/tasks/1", [], b"", 405),
    "PUT": ("PUT", "/tasks/1", [], b"", 405),
    "OPTIONS": ("OPTIONS", "/conversations/1/reply", [], b"", 405),
    "a slash too many": ("GET", "/tasks/", [], b"", 404),
}


@pytest.mark.parametrize("name", HEADERS)
async def test_what_a_head_says_is_taken_by_its_word_or_refused(client: httpx.AsyncClient, name: str) -> None:
    """The response is a problem; the service does not guess."""
    method, path, headers, body, status = HEADERS[name]
    every = [*client.headers.multi_items(), *headers]
    sent = [(name.encode(), value.encode("latin-1")) for name, value in every]
    answer = await client.request(method, path, headers=sent, content=body)
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert method == "HEAD" or answer.json()["status"] == status
    assert ("Allow" in answer.headers) == (status == 405)


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "half a document": b"{",
    "no number": b'{"title": NaN}',
    "a long number": b'{"title": 1' + b"0" * 5000 + b"}",
    "no text": b"\xff",
    "a lone surrogate": b'{"title": "\\ud800"}',
    "NUL": b'{"title": "\\u0000"}',
    "deep": b"[" * 50_000,
    "deep in a field": b'{"title": ' + b'{"a": ' * 8_000 + b"1" + b"}" * 8_001,
    "a number for a boolean": b'{"title": "x", "completed": 1}',
    "a word for a boolean": b'{"title": "x", "completed": "yes"}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_not_as_documented_is_refused(client: httpx.AsyncClient, name: str) -> None:
    """Invalid JSON is a 400, invalid content a 422; nothing is stored."""
    answer = await client.post("/tasks", content=BODIES[name], headers=[JSON])
    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (await client.get("/tasks")).json()["items"] == []


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/tasks/{number}"
            for number in ("1_0", "1.0", "+1", "%201", "%D9%A1", "0x1", "%00", "%ff", 2**63, "9" * 5000)
        ),
        *(f"/tasks?limit={limit}" for limit in ("1.0", "%201", "1e2", "", "0", 1001, "9" * 5000, "1&limit=x")),
        *(f"/tasks?completed={word}" for word in ("1", "yes", "True", "", "%ff")),
        *(f"/tasks?after={cursor}" for cursor in ("%00", "%ff", "AAAA", "", "a" * 5000)),
    ],
)
async def test_a_parameter_that_is_not_as_documented_is_a_422(client: httpx.AsyncClient, path: str) -> None:
    """Only digits, `true` or `false`, and the service's own cursors are accepted; similar values are refused."""
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
