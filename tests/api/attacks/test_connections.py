"""Connections that send nothing, send slowly, or do not read the response."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import psutil
import pytest

from app.api import create_app
from app.api.server import LimitedServer
from app.db import DatabaseSettings
from tests.api.attacks.victim import Stream, Victim
from tests.api.support import api_settings, bearer
from tests.support.waiting import LIMIT_SECONDS, until

PATIENT: dict[str, Any] = {"head_timeout_seconds": "300"}
"""Connections are closed because there are too many, not because the test was slow to use them."""
HEAD = b"GET /tasks HTTP/1.1\r\nHost: x\r\n"
POST = (
    f"POST /messages HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer('ada')['Authorization']}\r\n"
    "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
).encode()
# A head that was sent whole must be read in time also by a service that a busy machine gives no processor for a while.
QUICK: dict[str, Any] = {"head_timeout_seconds": "2", "body_timeout_seconds": "0.5", "write_timeout_seconds": "0.5"}


@pytest.fixture(scope="module")
async def impatient(migrated_url: str) -> AsyncIterator[Victim]:
    """Run the service with short times."""
    async with Victim.running(migrated_url, **QUICK) as victim:
        yield victim


@asynccontextmanager
async def silent(victim: Victim, count: int) -> AsyncIterator[list[Stream]]:
    """Open connections that send nothing."""
    streams = [await victim.connect() for _ in range(count)]
    yield streams
    for _, writer in streams:
        writer.transport.abort()


@pytest.mark.parametrize("descriptors", [128, 256])
async def test_silent_connections_do_not_shut_the_service(migrated_url: str, descriptors: int) -> None:
    """Before the limit, they blocked a service with 128 descriptors, and nothing was logged."""
    async with Victim.running(migrated_url, descriptors=descriptors) as victim:
        async with silent(victim, 300), victim.measured() as cost, victim.client("a newcomer") as client:
            assert (await client.get("/tasks")).status_code == 200
        said = await victim.said()
    assert set(cost.statuses) == {200}
    assert f"the process may open {descriptors} files" in said
    assert "as many as may be" in said
    assert "Traceback" not in said


async def test_the_limit_of_connections_is_a_setting(migrated_url: str) -> None:
    """The connection that has been idle longest is closed first; one with a request in progress stays open."""
    async with Victim.running(migrated_url, max_connections="10", **PATIENT) as victim, silent(victim, 12) as streams:
        async with victim.client("a newcomer") as client:  # accepted after all of them
            assert (await client.get("/healthz")).status_code == 200
        closed = [not await _is_served(stream) for stream in streams]
    assert closed == sorted(closed, reverse=True)
    assert 3 <= closed.count(True) < 12


HOLDING = {
    "an answered request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "half a body without a token": POST.replace(b"Authorization", b"X-Nothing"),
    "half a body": POST,
}


@pytest.mark.parametrize("name", HOLDING)
async def test_who_comes_last_is_served_whatever_holds_the_places(migrated_url: str, name: str) -> None:
    """A stranger who had sent one request on each of all connections, or half of one, shut the service for others."""
    async with Victim.running(migrated_url, max_connections="10", **PATIENT) as victim, silent(victim, 10) as streams:
        for reader, writer in streams:
            writer.write(HOLDING[name])
            if "token" in name or "answered" in name:
                await reader.readuntil(b"}")
        for _ in range(20):
            async with victim.client("a newcomer") as client:
                assert (await client.get("/tasks")).status_code == 200


async def test_a_connection_that_has_just_been_served_is_not_the_one_that_is_closed(migrated_url: str) -> None:
    """What counts is how long it has waited for a request, not when it was opened."""
    async with Victim.running(migrated_url, max_connections="3", **PATIENT) as victim, silent(victim, 3) as streams:
        reader, writer = streams[0]
        writer.write(HOLDING["an answered request"])
        await reader.readuntil(b"}")
        async with silent(victim, 1) as late:
            served = [await _is_served(stream) for stream in (*late, *streams)]  # the late one first: it is accepted
    assert served == [True, True, False, True]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_a_burst_of_connections_is_kept_within_the_limit(migrated_url: str, loop: str) -> None:
    """A server accepts a burst at once, before it learns that those it closed are gone; the oldest are closed."""
    settings = api_settings(max_connections=10, **PATIENT)
    app = create_app(settings, database=DatabaseSettings(url=migrated_url))
    server = LimitedServer(app, settings, grace_seconds=1, loop=loop, log_level="error")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        streams = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
        served = [await _is_served(stream) for stream in streams]
        for _, writer in streams:
            writer.transport.abort()
        server.should_exit = True
        await asyncio.to_thread(thread.join)
    assert served == [False] * 91 + [True] * 9


async def _is_served(stream: Stream) -> bool:
    """Send a request; return whether it is answered, which it is unless the service has closed the connection."""
    reader, writer = stream
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        return b"HTTP/1.1 200" in await asyncio.wait_for(reader.readuntil(b'{"status":"ok"}'), LIMIT_SECONDS)
    except (asyncio.IncompleteReadError, ConnectionError):
        return False


async def _is_closed_during(stream: Stream, trickle: bytes) -> bool:
    """Send a byte every 200 ms; return whether the service closes the connection before the last one."""
    for byte in trickle:
        stream[1].write(bytes([byte]))
        try:
            async with asyncio.timeout(0.2):
                if await stream[0].read(1) == b"":
                    return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize("start", [b"", HEAD])
async def test_a_head_that_comes_slowly_is_not_waited_for(impatient: Victim, start: bytes) -> None:
    """A head must be complete in time, however regularly its bytes arrive."""
    stream = await impatient.connect()
    stream[1].write(start)
    assert await _is_closed_during(stream, b"x-a: " + b"b" * 100)
    stream[1].transport.abort()


async def test_a_second_head_on_a_connection_has_the_same_time(impatient: Victim) -> None:
    """The limit applies also to a request that follows a valid one."""
    reader, writer = await impatient.connect()
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
    writer.write(HEAD)
    assert await _is_closed_during((reader, writer), b"x-a: " + b"b" * 100)
    writer.transport.abort()


async def test_a_body_that_comes_slowly_is_a_408(impatient: Victim) -> None:
    """The response tells the client why."""
    reader, writer = await impatient.connect()
    writer.write(POST + b'{"role"')
    async with asyncio.timeout(LIMIT_SECONDS):
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:problem:slow-body" in answer
    writer.transport.abort()


async def test_the_rest_of_a_refused_body_is_not_waited_for(impatient: Victim) -> None:
    """Without a token the response comes at once; the connection then stays open for as long as a body may take."""
    reader, writer = await impatient.connect()
    writer.write(POST.replace(b"Authorization", b"X-Nothing"))
    async with asyncio.timeout(LIMIT_SECONDS):
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 401 ")
    assert await _is_closed_during((reader, writer), b" " * 90)
    writer.transport.abort()


async def test_an_answer_that_is_not_read_is_given_up(impatient: Victim) -> None:
    """The client requests 20 pages of 1 MB and reads none of them."""
    async with impatient.client("a writer") as client:
        body = {"role": "user", "content": "x" * 1_000_000}
        started = (await client.post("/messages", json=body)).json()
    path = f"/conversations/{started['conversation']['id']}/messages"
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer('a writer')['Authorization']}\r\n\r\n"
    reader, writer = await impatient.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a connection reads
    writer.write(request.encode() * 20)
    ours = writer.get_extra_info("sockname")

    def kept() -> bool:
        return ours in [there.raddr for there in psutil.Process(impatient.process.pid).net_connections()]

    await until(kept)  # it is accepted
    await until(lambda: not kept())
    writer.transport.resume_reading()  # type: ignore[attr-defined]  # likewise
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(20 * 1_000_000)
    writer.transport.abort()
