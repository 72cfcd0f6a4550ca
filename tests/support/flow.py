"""One connection through the proxy, and the faults it can have."""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.frames import Frames, Message

_READ_BYTES = 65536
_CHUNK_GAP_SECONDS = 0.002  # an event loop's timers count whole milliseconds
_READY_FOR_QUERY = "Z"
_CANCEL_REQUEST = (80877102).to_bytes(4, "big")  # sent in place of the protocol version

Watcher = Callable[[Sequence[Message]], None]


@dataclass(eq=False)
class Faults:
    """The faults of the network; each may be switched at any time, for all open connections."""

    delay_seconds: float = 0.0
    """The latency in each direction, as on a long link."""
    bytes_per_second: float | None = None
    """The bandwidth in each direction."""
    chunk_bytes: int | None = None
    """Data arrives in chunks of at most so many bytes, 2 ms apart."""
    torn_after_chunks: int | None = None
    """Connections are reset at the n-th chunk from the server."""
    holding_replies: bool = False
    """Replies of the server are held (see `FaultProxy.release_replies`)."""
    lose_reply_to: str | None = None
    """The reply to the next statement with this text is lost after the server sends it; then comes RST.

    It does not work through TLS, where the proxy cannot read the statement.
    """
    lost_cancels: int = 0
    """The number of cancel requests still to lose; a busy server loses one that arrives too early."""
    round_trips: int = 0
    """The number of replies to clients."""
    bytes_sent: int = 0
    """The number of bytes that the clients have sent."""
    watchers: list[Watcher] = field(default_factory=list)
    """Each is called on every round trip with the messages that got the reply (none through TLS)."""


class Streams(NamedTuple):
    """Both directions of one socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Close the socket with RST."""
        raw = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it is closed already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Flow:
    """A client, a server, and the data between them."""

    def __init__(self, faults: Faults, client: Streams, server: Streams) -> None:
        self.swallowing = False
        """Data no longer passes, and neither side is told."""
        self._faults = faults
        self._client, self._server = client, server
        self._to_client, self._to_server = _Link(faults, client.writer), _Link(faults, server.writer)
        self._frames = Frames()
        self._unanswered: list[Message] | None = None
        self._losing = False
        self._held: list[bytes] = []
        self._chunks = 0

    async def run(self) -> None:
        """Forward data until both sides have ended."""
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(self._client.reader, self._from_client, self._to_server))
                both.create_task(self._carry(self._server.reader, self._from_server, self._to_client))
        except* OSError:
            pass
        finally:
            self._client.writer.transport.abort()
            self._server.writer.transport.abort()

    def reset(self) -> None:
        """Close both sides with RST."""
        self._client.reset()
        self._server.reset()

    def close(self) -> None:
        """Close both sides with FIN."""
        self._client.writer.close()
        self._server.writer.close()

    def release(self) -> None:
        """Deliver the held replies."""
        for data in self._held:
            self._to_client.send(data)
        self._held.clear()

    async def _carry(self, reader: asyncio.StreamReader, passed: Callable[[bytes], bool], link: "_Link") -> None:
        while data := await reader.read(_READ_BYTES):
            if passed(data):
                link.send(data)
        link.end()

    def _from_client(self, data: bytes) -> bool:
        """Record the messages; return whether to forward them to the server."""
        self._faults.bytes_sent += len(data)
        if self._faults.lost_cancels and data[4:8] == _CANCEL_REQUEST:
            self._faults.lost_cancels -= 1
            self.close()
            return False
        if self._unanswered is None:
            self._unanswered = []
        for message in self._frames.from_client(data):
            self._unanswered.append(message)
            if self._is_to_be_lost(message):
                self._losing, self._faults.lose_reply_to = True, None
        return not self.swallowing

    def _from_server(self, data: bytes) -> bool:
        """Record the reply; return whether to forward it to the client now."""
        self._count()
        done = any(message.letter == _READY_FOR_QUERY for message in self._frames.from_server(data))
        self._chunks += 1
        if (self._losing and done) or self._chunks == self._faults.torn_after_chunks:
            self.reset()
        if self._losing or self.swallowing:
            return False
        if self._faults.holding_replies:
            self._held.append(data)
        return not self._faults.holding_replies

    def _is_to_be_lost(self, message: Message) -> bool:
        """Whether `message` executes the statement whose reply is to be lost; parsing alone does not count."""
        wanted = self._faults.lose_reply_to
        return wanted is not None and message.letter in "BQ" and wanted in message.sql

    def _count(self) -> None:
        if self._unanswered is None:
            return
        self._faults.round_trips += 1
        for watcher in self._faults.watchers:
            watcher(self._unanswered)
        self._unanswered = None


class _Link:
    """One direction: data arrives later, in order."""

    def __init__(self, faults: Faults, writer: asyncio.StreamWriter) -> None:
        self._faults = faults
        self._writer = writer
        self._on_the_way: deque[bytes] = deque()
        self._free_at = 0.0

    def send(self, data: bytes) -> None:
        """Schedule `data` for delivery."""
        for piece in self._pieces(data):
            self._put(piece)

    def end(self) -> None:
        """Close the writer once everything has arrived."""
        self._put(b"")

    def _put(self, piece: bytes) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._free_at = max(self._free_at, now) + self._seconds_of(piece)
        arrives = self._free_at + self._faults.delay_seconds
        self._on_the_way.append(piece)
        if arrives > now or len(self._on_the_way) > 1:
            loop.call_at(arrives, self._arrive)
        else:
            self._arrive()

    def _arrive(self) -> None:
        piece = self._on_the_way.popleft()
        if self._writer.is_closing():
            return
        if piece:
            self._writer.write(piece)
        else:
            self._writer.close()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        step = self._faults.chunk_bytes or len(data)
        return (data[start : start + step] for start in range(0, len(data), step))

    def _seconds_of(self, piece: bytes) -> float:
        """Return how long the link is busy, with a gap so that chunks do not arrive as one."""
        gap = _CHUNK_GAP_SECONDS if self._faults.chunk_bytes else 0.0
        return max(gap, len(piece) / self._faults.bytes_per_second if self._faults.bytes_per_second else 0.0)
