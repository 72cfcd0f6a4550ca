"""One connection through the proxy, and what can be wrong with it."""

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
_CHUNK_GAP_SECONDS = 0.002  # an event loop's timers are of whole milliseconds
_READY_FOR_QUERY = "Z"
_CANCEL_REQUEST = (80877102).to_bytes(4, "big")  # stands where other connections say which protocol they speak

Watcher = Callable[[Sequence[Message]], None]


@dataclass(eq=False)
class Faults:
    """What is wrong with the network; each may be switched at any time, for all connections that there are."""

    delay_seconds: float = 0.0
    """How long everything is on its way, in each direction, as on a long link."""
    bytes_per_second: float | None = None
    """How much the link carries, in each direction."""
    chunk_bytes: int | None = None
    """Everything arrives in pieces of at most so many bytes, 2 ms apart."""
    torn_after_chunks: int | None = None
    """Connections are reset at the n-th chunk from the server."""
    holding_replies: bool = False
    """What the server says is kept back (see `FaultProxy.release_replies`)."""
    lose_reply_to: str | None = None
    """The reply to the next statement with this text is lost once the server has given it; then comes RST.

    Not through TLS: there is nothing to be read in it.
    """
    lost_cancels: int = 0
    """So many requests to cancel a statement are still lost, as one is that reaches a busy server too early."""
    round_trips: int = 0
    """How often a client was answered."""
    bytes_sent: int = 0
    """How much the clients have sent."""
    watchers: list[Watcher] = field(default_factory=list)
    """Each is called at every round trip with the messages that were answered (none through TLS)."""


class Streams(NamedTuple):
    """Both directions of one socket."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End it with RST."""
        raw = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it has ended already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class Flow:
    """A client, a server, and what passes between them."""

    def __init__(self, faults: Faults, client: Streams, server: Streams) -> None:
        self.swallowing = False
        """Nothing passes any more, and nobody says so."""
        self._faults = faults
        self._client, self._server = client, server
        self._to_client, self._to_server = _Link(faults, client.writer), _Link(faults, server.writer)
        self._frames = Frames()
        self._unanswered: list[Message] | None = None
        self._losing = False
        self._held: list[bytes] = []
        self._chunks = 0

    async def run(self) -> None:
        """Carry everything until both sides have ended."""
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
        """End both sides with RST."""
        self._client.reset()
        self._server.reset()

    def close(self) -> None:
        """End both sides with FIN."""
        self._client.writer.close()
        self._server.writer.close()

    def release(self) -> None:
        """Deliver the replies that were kept back."""
        for data in self._held:
            self._to_client.send(data)
        self._held.clear()

    async def _carry(self, reader: asyncio.StreamReader, passed: Callable[[bytes], bool], link: "_Link") -> None:
        while data := await reader.read(_READ_BYTES):
            if passed(data):
                link.send(data)
        link.end()

    def _from_client(self, data: bytes) -> bool:
        """Note what is asked; return whether it goes on to the server."""
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
        """Note that it was answered; return whether the answer goes on to the client now."""
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
        """Whether the server is about to execute what the reply to which is to be lost; parsing alone is not it."""
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
    """One direction: what is sent arrives later, in order."""

    def __init__(self, faults: Faults, writer: asyncio.StreamWriter) -> None:
        self._faults = faults
        self._writer = writer
        self._on_the_way: deque[bytes] = deque()
        self._free_at = 0.0

    def send(self, data: bytes) -> None:
        """Put `data` on its way."""
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
        """Return for how long the link is taken; a gap, so that pieces do not arrive as one."""
        gap = _CHUNK_GAP_SECONDS if self._faults.chunk_bytes else 0.0
        return max(gap, len(piece) / self._faults.bytes_per_second if self._faults.bytes_per_second else 0.0)
