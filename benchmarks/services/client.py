"""A client that costs little beside the server: both share the processors."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n", re.IGNORECASE)
_END_OF_CHUNKS: Final = b"\r\n0\r\n\r\n"  # JSON has no carriage return: nothing else in an answer looks like it


class Connection(asyncio.Protocol):
    """A connection that sends one request after another."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._answered: asyncio.Future[bytes] | None = None

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect to a service on this machine."""
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # of TCP
        """Keep what requests are written to."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Add to the answer, and hand it over once it is whole."""
        self._received += data
        if self._answered and not self._answered.done() and _is_whole(self._received):
            self._answered.set_result(bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait for an answer that cannot come."""
        if self._answered and not self._answered.done():
            self._answered.set_exception(exc or ConnectionError("the service closed the connection"))

    async def ask(self, request: bytes, *, status: int) -> bytes:
        """Send the request and return the whole answer; raises `RuntimeError` if it has another status."""
        self._received.clear()
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answered
        if not answer.startswith(b"HTTP/1.1 %d " % status):
            raise RuntimeError(answer.decode())
        return answer

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


async def ask_all(connections: Sequence[Connection], requests: Sequence[bytes], *, times: int, status: int) -> None:
    """Send each connection's request so many times in a row, all connections at once."""

    async def ask(connection: Connection, request: bytes) -> None:
        for _ in range(times):
            await connection.ask(request, status=status)

    await asyncio.gather(*map(ask, connections, requests))


def _is_whole(answer: bytearray) -> bool:
    head = answer.find(b"\r\n\r\n")
    if head < 0:
        return False
    length = _LENGTH.search(answer, 0, head + 2)
    return len(answer) - head - 4 >= int(length[1]) if length else answer.endswith(_END_OF_CHUNKS)
