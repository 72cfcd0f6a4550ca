"""More than the service reads."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from app.db.models.message import CONTENT_LIMIT_BYTES
from tests.api.support import Running, bearer, in_process, served_app

CHUNK = b"x" * 65_536


async def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_sent(migrated_url: str, user_id: str) -> None:
    """413 comes while the client has sent only the headers."""
    async with served_app(migrated_url) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"POST /tasks HTTP/1.1\r\nHost: test\r\nAuthorization: {bearer(user_id)['Authorization']}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {CONTENT_LIMIT_BYTES}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer


async def test_a_body_without_a_length_is_read_only_up_to_the_limit(api: Running, client: httpx.AsyncClient) -> None:
    """Chunks that never end do not fill the memory."""
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
    """With a higher limit the model still refuses what would end the connection."""
    async with (
        in_process(migrated_url, max_body_bytes=2 * CONTENT_LIMIT_BYTES) as running,
        running.client(user_id) as client,
    ):
        body = b'{"role": "user", "content": "' + b"x" * CONTENT_LIMIT_BYTES + b'"}'
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/conversations/1/messages", content=body, headers=headers)
    assert (answer.status_code, len(answer.content) < 1000) == (422, True)
