"""A TCP proxy in front of PostgreSQL that breaks what a network and a server can break, and counts round trips."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit, urlunsplit

_CHUNK_BYTES = 65536
_READY_FOR_QUERY = ord("Z")
_Passed = Callable[[bytes], bytes]


@dataclass
class Frames:
    """Cuts a stream of the wire protocol into its messages."""

    named: bool
    """Whether messages begin with a letter; a client's first one does not."""
    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield letter and body of each message that `data` completes."""
        self._buffer += data
        while True:
            header = 5 if self.named else 4
            if len(self._buffer) < header:
                return
            end = header - 4 + int.from_bytes(self._buffer[header - 4 : header], "big")
            if len(self._buffer) < end:
                return
            letter = chr(self._buffer[0]) if self.named else ""
            body = bytes(self._buffer[header:end])
            del self._buffer[:end]
            self.named = True
            yield letter, body


class _Flow:
    """One client's connection through the proxy."""

    def __init__(self, proxy: "FaultProxy", client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.client, self.server = client, server
        self.swallowing = self.losing = False
        self.chunks = 0
        self.asked = False
        self._sent, self._answered = Frames(named=False), Frames(named=True)
        self._parsed: dict[bytes, bytes] = {}

    def reset(self) -> None:
        """End both halves with RST."""
        for writer in (self.client, self.server):
            raw = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of zero seconds: RST instead of FIN
            writer.transport.abort()

    def from_client(self, data: bytes) -> bytes:
        """Return what goes on to the server."""
        if not self.asked:
            self.asked = True
            self.proxy.round_trips += 1
        for letter, body in self._sent.feed(data):
            self._note(letter, body)
        return b"" if self.swallowing else data

    def from_server(self, data: bytes) -> bytes:
        """Return what goes on to the client."""
        self.asked = False
        self.chunks += 1
        if self.chunks == self.proxy.torn_after_chunks:
            self.reset()
            return b""
        if self.losing:
            if any(ord(letter) == _READY_FOR_QUERY for letter, _ in self._answered.feed(data)):
                self.reset()  # the server has done it, and nobody hears of it
            return b""
        return b"" if self.swallowing else data

    def _note(self, letter: str, body: bytes) -> None:
        """Remember what prepared statements say, and watch for the one whose reply is to be lost."""
        sql = b""
        if letter == "Q":
            sql = body
        elif letter == "P":
            name, _, rest = body.partition(b"\0")
            self._parsed[name] = rest.partition(b"\0")[0]
        elif letter == "B":
            sql = self._parsed.get(body.split(b"\0")[1], b"")
        wanted = self.proxy.lose_reply_to
        if sql and wanted and wanted.encode() in sql:
            self.proxy.lose_reply_to = None
            self.losing = True
            self._answered = Frames(named=True)


class FaultProxy:
    """Passes everything on untouched until one of its attributes says otherwise."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._flows: set[_Flow] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connects = 0
        """Connections accepted so far."""
        self.round_trips = 0
        """How often a client spoke after it was answered, or for the first time."""
        self.delay_seconds = 0.0
        """How long each chunk takes, in each direction."""
        self.refusing = False
        """New connections are ended at once."""
        self.black_hole = False
        """New connections are accepted and never answered."""
        self.late_seconds = 0.0
        """How long a new connection waits before it reaches the server."""
        self.startup_error: tuple[str, str] | None = None
        """SQLSTATE and text with which new connections are answered instead."""
        self.lose_reply_to: str | None = None
        """The reply to the next statement with this text is lost once the server has given it; then comes RST."""
        self.torn_after_chunks: int | None = None
        """Connections are reset at the n-th chunk from the server."""

    def url(self) -> str:
        """Return the server's URL, through the proxy."""
        parts = urlsplit(self._url)
        user = parts.netloc.rpartition("@")[0]
        return urlunsplit((parts.scheme, f"{user}@127.0.0.1:{self.port}", parts.path, "sslmode=disable", ""))

    def swallow(self) -> None:
        """Make the connections that there are half open: nothing passes on them any more."""
        for flow in self._flows:
            flow.swallowing = True

    def reset(self) -> None:
        """End the connections that there are with RST."""
        for flow in list(self._flows):
            flow.reset()

    @property
    def open_connections(self) -> int:
        """How many connections there are to the server."""
        return len(self._flows)

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[FaultProxy]":
        """Listen on a free port of 127.0.0.1."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.reset()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connects += 1
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            return
        if self.black_hole:
            await asyncio.sleep(3600)
        if self.startup_error:
            await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
            writer.write(_error(*self.startup_error))
            await writer.drain()
            return
        await asyncio.sleep(self.late_seconds)
        server_reader, server_writer = await self._connect()
        flow = _Flow(self, writer, server_writer)
        self._flows.add(flow)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, server_writer, flow.from_client))
                both.create_task(self._pump(server_reader, writer, flow.from_server))
        except* OSError:
            pass
        finally:
            self._flows.discard(flow)
            server_writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._url)
        query = parse_qs(parts.query)
        if "host" in query:
            port = query.get("port", ["5432"])[0]
            return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{port}")
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: _Passed) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            kept = passed(data)
            if kept:
                writer.write(kept)
                await writer.drain()
        writer.close()


def _error(sqlstate: str, text: str) -> bytes:
    fields = b"".join(
        letter + value.encode() + b"\0"
        for letter, value in ((b"S", "FATAL"), (b"V", "FATAL"), (b"C", sqlstate), (b"M", text))
    )
    body = fields + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body
