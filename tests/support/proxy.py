"""A TCP proxy in front of PostgreSQL that breaks what a network and a server can break, and counts round trips."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit, urlunsplit

from app.db.target.url import parse_url
from tests.support.flow import Faults, Flow, Streams
from tests.support.frames import error_response
from tests.support.waiting import until

_LOOPBACK = "127.0.0.1"
_QUEUED_CONNECTS = 512
_STEP_SECONDS = 0.02


class FaultProxy(Faults):
    """Forwards everything unchanged until an attribute or method says otherwise."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._flows: set[Flow] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._is_running = False
        self.port = 0
        self.connects = 0
        """Connections accepted so far, including those that cancel a statement."""
        self.at_once = self.most_at_once = 0
        """Clients connected now, and the maximum since it was last set."""
        self.black_hole = False
        """New connections are accepted and get no reply."""
        self.late_seconds = 0.0
        """Seconds that a new connection waits before it reaches the server."""
        self._starts_at = 0.0
        self.startup_error: tuple[str, str] | None = None
        """SQLSTATE and text of the error that new connections get instead (see `fail_startups`)."""
        self._startup_errors_left: int | None = None

    def url(self, **parameters: str) -> str:
        """Return the server's URL, through the proxy and without TLS unless `sslmode` says otherwise."""
        parts = urlsplit(self._url)
        user = parts.netloc.rpartition("@")[0]
        query = urlencode({"sslmode": "disable", **parameters})
        return urlunsplit((parts.scheme, f"{user}@{_LOOPBACK}:{self.port}", parts.path, query, ""))

    @property
    def refusing(self) -> bool:
        """Whether new connections are refused, as when nothing listens."""
        return self._listener is None

    @refusing.setter
    def refusing(self, refuse: bool) -> None:
        if refuse:
            self._stop_listening()
        elif self._listener is None and self._is_running:  # a timed fault may end after the test
            self._listen()

    @property
    def open_connections(self) -> int:
        """The number of connections to the server."""
        return len(self._flows)

    def fail_startups(
        self, sqlstate: str, text: str, *, times: int | None = None, seconds: float | None = None
    ) -> None:
        """Answer new connections with an error `times` times or for `seconds`; without either, until told otherwise."""
        self.startup_error, self._startup_errors_left = (sqlstate, text), times
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, setattr, self, "startup_error", None)

    def sleep(self, *, refusing_seconds: float, starting_seconds: float) -> None:
        """Act as a suspended Neon compute: close connections, refuse new ones for a time, then delay them."""
        self.close()
        self._starts_at = time.monotonic() + refusing_seconds + starting_seconds
        if refusing_seconds:
            self.fail_startups("XX000", "Couldn't connect to compute node", seconds=refusing_seconds)

    def swallow(self) -> None:
        """Make the open connections half open: they carry no more data."""
        for flow in self._flows:
            flow.swallowing = True

    def release_replies(self) -> None:
        """Deliver the held replies, and hold no more."""
        self.holding_replies = False
        for flow in self._flows:
            flow.release()

    def move(self, url: str) -> None:
        """Lead to another server from now on; connections that are open are reset."""
        self._url = url
        self.reset()

    def reset(self) -> None:
        """Close the open connections with RST."""
        for flow in self._flows:
            flow.reset()

    def close(self) -> None:
        """Close the open connections with FIN, as a stopping server does."""
        for flow in self._flows:
            flow.close()

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Wait at the end of the block until the connections that were open before it have ended, and clients know."""
        before = set(self._flows)
        yield
        await until(lambda: not before & self._flows)
        await asyncio.sleep(_STEP_SECONDS)  # a client in this loop reads the end in the next steps of the loop

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[FaultProxy]":
        """Listen on a free port of 127.0.0.1; at the end every connection is reset."""
        self._listen()
        self._is_running = True
        try:
            yield self
        finally:
            self._is_running = False
            self._stop_listening()
            self.reset()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.sleep(0)  # a socket is closed one step of the loop after its transport

    def _listen(self) -> None:
        self._listener = socket.create_server((_LOOPBACK, self.port), backlog=_QUEUED_CONNECTS)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:  # the client has closed it already
            return
        self.connects += 1
        task = asyncio.ensure_future(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: client.close())  # even if the task was cancelled before it began

    async def _serve(self, accepted: socket.socket) -> None:
        client = Streams(*await asyncio.open_connection(sock=accepted))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            if self.black_hole:
                await _swallow(client)
            elif self.startup_error is not None:
                await self._answer_startup(client, *self.startup_error)
            else:
                await asyncio.sleep(self.late_seconds)
                while time.monotonic() < self._starts_at and not client.reader.at_eof():  # noqa: ASYNC110 - the client may leave
                    await asyncio.sleep(_STEP_SECONDS)
                await self._connect_through(client)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.at_once -= 1
            client.writer.transport.abort()

    async def _answer_startup(self, client: Streams, sqlstate: str, text: str) -> None:
        if self._startup_errors_left is not None:
            self._startup_errors_left -= 1
            if self._startup_errors_left <= 0:
                self.startup_error = self._startup_errors_left = None
        length = int.from_bytes(await client.reader.readexactly(4), "big")
        await client.reader.readexactly(length - 4)
        client.writer.write(error_response(sqlstate, text))
        await client.writer.drain()

    async def _connect_through(self, client: Streams) -> None:
        target = parse_url(self._url)
        host, port = target.hosts[0], target.ports[0]
        if target.is_socket:
            server = Streams(*await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}"))
        else:
            server = Streams(*await asyncio.open_connection(host, port))
        flow = Flow(self, client, server)
        self._flows.add(flow)
        try:
            await flow.run()
        finally:
            self._flows.discard(flow)


async def _swallow(streams: Streams) -> None:
    while await streams.reader.read(65536):
        pass
