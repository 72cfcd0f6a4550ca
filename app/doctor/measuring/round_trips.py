"""Count the round trips between a client and the server."""

import asyncio
from typing import Any, Self

from app.db.pool.pool import Pool

# asyncpg waits for ReadyForQuery after a statement, and for ParameterDescription when it prepares one.
_AWAITED = frozenset(b"Zt")
_HEADER_BYTES = 5  # a letter, and a length that includes itself but not the letter


class RoundTrips:
    """Count a pool's round trips by the replies that asyncpg waits for.

    It reads what asyncpg reads, so it also works through TLS and poolers. The demo and the doctor use it.
    """

    def __init__(self) -> None:
        self.count = 0

    @classmethod
    def of(cls, pool: Pool) -> Self:
        """Count on every connection that `pool` opens from now on."""
        trips = cls()
        pool.on_connect.append(trips._listen)
        return trips

    def reset(self) -> None:
        """Reset the count to zero."""
        self.count = 0

    async def _listen(self, driver: Any) -> None:
        transport: asyncio.Transport = driver._transport  # noqa: SLF001 - asyncpg has no public name for it
        transport.set_protocol(_Counting(transport.get_protocol(), self))


class _Counting(asyncio.Protocol):
    """Stand between the transport and asyncpg, and pass everything on."""

    def __init__(self, driver: Any, trips: RoundTrips) -> None:
        self._driver = driver
        self._trips = trips
        self._header = bytearray()
        self._body_bytes = 0

    def eof_received(self) -> bool | None:
        """Pass it on."""
        ended: bool | None = self._driver.eof_received()
        return ended

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass it on."""
        self._driver.connection_lost(exc)

    def pause_writing(self) -> None:
        """Pass it on."""
        self._driver.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._driver.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count the ends of replies in `data`, which may begin and end anywhere in a message."""
        place = 0
        while place < len(data):
            if self._body_bytes:
                skipped = min(self._body_bytes, len(data) - place)
                self._body_bytes -= skipped
                place += skipped
                continue
            missing = _HEADER_BYTES - len(self._header)
            self._header += data[place : place + missing]
            place += missing
            if len(self._header) == _HEADER_BYTES:
                self._trips.count += self._header[0] in _AWAITED
                self._body_bytes = int.from_bytes(self._header[1:], "big") - 4
                self._header.clear()
        self._driver.data_received(data)
