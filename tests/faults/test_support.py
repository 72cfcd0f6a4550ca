"""The proxy itself: each fault does what it says, and nothing is left behind."""

import asyncio
import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.proxy import FaultProxy
from tests.support.timing import contains_delays
from tests.support.waiting import LIMIT_SECONDS
from tests.support.wire import WireCounter

_TLS_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"  # the server replies with one byte, and waits
_LONG_BYTES = 300_000
_LONG = f"select repeat('x', {_LONG_BYTES})"


@pytest.fixture
async def proxy(migrated_url: str) -> AsyncIterator[FaultProxy]:
    """Run a proxy; nothing of it is left at the end, even if clients are still connected."""
    before = asyncio.all_tasks()
    async with FaultProxy(migrated_url).running() as running:
        yield running
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}
    assert running.open_connections == 0


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[asyncpg.Connection]:
    """Connect asyncpg through the proxy."""
    connection = await asyncpg.connect(proxy.url())
    yield connection
    connection.terminate()


async def _is_silent(awaited: asyncio.Future[object]) -> bool:
    return not (await asyncio.wait([awaited], timeout=0.2))[0]


async def test_reset_is_rst_and_close_is_fin(proxy: FaultProxy) -> None:
    """A client can tell them apart."""
    for end in (proxy.reset, proxy.close):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(_TLS_REQUEST)
        assert len(await reader.read(1)) == 1
        end()
        if end == proxy.close:
            assert await reader.read(1) == b""
        else:
            with pytest.raises(ConnectionResetError):
                await reader.read(1)
        writer.transport.abort()


async def test_refused_connections_are_refused_until_it_listens_again(proxy: FaultProxy) -> None:
    """New connections are refused as if nothing listened; open ones continue."""
    old = await asyncpg.connect(proxy.url())
    proxy.refusing = True
    with pytest.raises(ConnectionRefusedError):
        await asyncpg.connect(proxy.url())
    proxy.refusing = False
    new = await asyncpg.connect(proxy.url())
    assert [await old.fetchval("select 1"), await new.fetchval("select 2")] == [1, 2]
    assert (proxy.connects, proxy.open_connections) == (2, 2)
    await old.close()
    await new.close()


async def test_a_black_hole_accepts_and_never_answers(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """Only new connections are affected."""
    proxy.black_hole = True
    with pytest.raises(TimeoutError):
        await asyncpg.connect(proxy.url(), timeout=0.2)
    assert await client.fetchval("select 1") == 1


async def test_swallowed_connections_are_half_open(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """Only open connections are affected."""
    proxy.swallow()
    waiting = asyncio.ensure_future(client.fetchval("select 1"))
    assert await _is_silent(waiting)
    new = await asyncpg.connect(proxy.url())
    assert await new.fetchval("select 2") == 2
    await new.close()
    client.terminate()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await waiting


async def test_a_delay_is_that_of_a_link(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """Each round trip is delayed twice, regardless of the number of chunks in the reply."""

    async def delayed(seconds: float) -> None:
        proxy.delay_seconds = seconds
        await client.fetchval(_LONG)

    await client.fetchval(_LONG)  # prepares it
    assert await contains_delays(2, delayed)


async def test_bandwidth_is_kept(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """300 kB at 1 MB/s take 0.3 s."""

    async def throttled(seconds: float) -> None:
        proxy.bytes_per_second = round(_LONG_BYTES / seconds)
        await client.fetchval(_LONG)

    await client.fetchval(_LONG)  # prepares it
    assert await contains_delays(1, throttled)


async def test_chunks_arrive_one_by_one(proxy: FaultProxy) -> None:
    """The client reassembles a message torn at any point."""
    proxy.chunk_bytes = 3
    connection = await asyncpg.connect(proxy.url())
    assert await connection.fetchval("select repeat('y', 1000)") == "y" * 1000
    await connection.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"\0\0\0\x08\0\0\0\0")  # not a valid protocol: the server sends an error
    reads = 0
    while await reader.read(1000):
        reads += 1
    assert reads > 10
    writer.transport.abort()


async def _count(proxy: FaultProxy, user_id: str) -> int:
    other = await asyncpg.connect(proxy.url())
    count = await other.fetchval("select count(*) from conversation where user_id = $1", user_id)
    await other.close()
    return int(count)


async def test_a_lost_reply_is_lost_after_the_server_has_done_it(
    proxy: FaultProxy, client: asyncpg.Connection, user_id: str
) -> None:
    """The row is stored and the caller gets no reply, also for a statement prepared before."""
    insert = await client.prepare("insert into conversation (user_id) values ($1)")
    proxy.lose_reply_to = "insert into conversation"
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        await insert.fetch(user_id)
    assert await _count(proxy, user_id) == 1


async def test_a_lost_reply_to_commit_leaves_it_committed(
    proxy: FaultProxy, client: asyncpg.Connection, user_id: str
) -> None:
    """The commit is stored, and the caller gets no reply."""
    proxy.lose_reply_to = "COMMIT"
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionResetError)):
        async with client.transaction():
            await client.execute("insert into conversation (user_id) values ($1)", user_id)
    assert await _count(proxy, user_id) == 1


async def test_held_replies_arrive_when_they_are_released(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """All replies arrive, in order."""
    proxy.holding_replies = True
    waiting = asyncio.ensure_future(client.fetchval("select 1"))
    assert await _is_silent(waiting)
    proxy.release_replies()
    assert await asyncio.wait_for(waiting, LIMIT_SECONDS) == 1


async def test_a_late_connection_is_late(proxy: FaultProxy) -> None:
    """The connect is delayed, as when a compute resumes."""
    proxy.late_seconds = 0.3
    began = time.monotonic()
    connection = await asyncpg.connect(proxy.url())
    assert time.monotonic() - began >= proxy.late_seconds
    await connection.close()


async def _failed_startups(proxy: FaultProxy) -> int:
    """Connect until it works; return how often the server was starting up."""
    failed = 0
    while True:
        try:
            connection = await asyncpg.connect(proxy.url())
        except asyncpg.CannotConnectNowError:
            failed += 1
        else:
            await connection.close()
            return failed


async def test_startups_fail_so_often_or_so_long(proxy: FaultProxy) -> None:
    """After that number or time, connections work."""
    proxy.fail_startups("57P03", "starting up", times=2)
    assert await _failed_startups(proxy) == 2
    began = time.monotonic()
    proxy.fail_startups("57P03", "starting up", seconds=1)
    assert await _failed_startups(proxy) > 0
    assert time.monotonic() - began >= 1


async def test_the_counter_reads_what_is_not_encrypted(proxy: FaultProxy, client: asyncpg.Connection) -> None:
    """The counter also works when the client requests TLS first and the server has none."""
    counter = WireCounter(proxy)
    async with counter.expect(2):
        await client.fetchval("select 1")
    async with counter.expect(1):
        await client.fetchval("select 1")
    assert counter.statements == ["select 1"]
    plain_after_all = await asyncpg.connect(proxy.url(sslmode="prefer"))
    async with counter.expect(1):
        await plain_after_all.execute("select 2")
    assert str(counter) == "[Query select 2]"
    await plain_after_all.close()
