"""An issuer that is slow, sends endlessly, or returns something other than a key set."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress

import pytest

from tests.api.attacks.victim import Victim
from tests.api.issuer import RSA
from tests.api.support import token

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SPACES = b" " * 65_536
START = OK + b'\r\n{"keys": ['
ANSWERS: dict[str, tuple[bytes, bytes]] = {  # once at first, then repeatedly
    "300 MB": (START, SPACES),
    "deep nesting": (OK + b'\r\n{"keys": ' + b"[" * 200_000, b""),
    "many keys": (START + b'{"kty":"RSA"},' * 10_000 + b"{}]}", b""),
    "endless headers": (OK, b"x-a: b\r\n" * 8_192),
    "a bomb": (OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b" " * 50_000_000), b""),
    "no HTTP": (b"\0" * 1_000, b""),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", b""),
    "nothing": (b"", b""),
}


@asynccontextmanager
async def served(serve: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """Run a hostile issuer, which answers each request with `serve`, and return its URL; none outlives the test."""
    serving = set[asyncio.Task[None]]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError), closing(writer):
            await reader.readuntil(b"\r\n\r\n")
            await serve(writer)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks.json"
    finally:
        server.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


async def _refused(victim: Victim) -> None:
    async with victim.client("ada") as client:
        client.headers["Authorization"] = f"Bearer {token('ada', key=RSA, algorithm='RS256', kid='rsa')}"
        answer = await client.get("/tasks")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("name", ANSWERS)
async def test_what_a_hostile_issuer_says_costs_neither_memory_nor_an_error(migrated_url: str, name: str) -> None:
    """Before the limits, 300 MB took 733 MB of memory, and deep nesting raised an unhandled RecursionError."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        first, again = ANSWERS[name]
        writer.write(first)
        for _ in range(5_000 if again else 0):
            writer.write(again)
            await writer.drain()

    async with served(answer) as url, Victim.running(migrated_url, jwks_url=url) as victim:
        async with victim.measured("/healthz") as cost:
            await _refused(victim)
        said = await victim.said()
    assert set(cost.statuses) == {200}
    assert cost.peak_megabytes < 200
    assert cost.requests < 2_000  # of the cheapest route
    assert "could not be fetched" in said
    assert "Traceback" not in said


async def test_an_issuer_that_trickles_is_given_up_after_five_seconds(migrated_url: str) -> None:
    """The deadline applies to the whole fetch, not to each byte."""

    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in OK * 10:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.2)

    async with (
        served(trickle) as url,
        Victim.running(migrated_url, jwks_url=url) as victim,
        asyncio.timeout(50),  # all of it takes 100 s
    ):
        await _refused(victim)
