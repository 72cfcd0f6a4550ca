"""Count round trips on the wire: how often a client sends and gets a reply."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from app.db import Database, DatabaseSettings
from tests.support.frames import Message
from tests.support.proxy import FaultProxy

_SETTLE_SECONDS: Final = 0.005
_SQL_SHOWN: Final = 60
_CARRIES_SQL: Final = "PBQ"


class WireCounter:
    """The traffic of a proxy since the counter was created or last reset."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._trips: list[Sequence[Message]] = []
        proxy.watchers.append(self._trips.append)

    @property
    def round_trips(self) -> int:
        """The number of replies to a client; a reply in many packets counts once."""
        return len(self._trips)

    @property
    def messages(self) -> Counter[str]:
        """The number of client messages by name, ``{"Bind": 1, ...}``; empty through TLS."""
        return Counter(message.name for trip in self._trips for message in trip)

    @property
    def statements(self) -> list[str]:
        """The SQL of each executed statement, in order."""
        return [message.sql for trip in self._trips for message in trip if message.letter in "BQ"]

    def reset(self) -> None:
        """Set the counter to zero."""
        self._trips.clear()

    def assert_round_trips(self, expected: int) -> None:
        """Fail with a list of the traffic unless there were exactly so many round trips."""
        assert self.round_trips == expected, f"{self.round_trips} round trips, expected {expected}: {self}"

    @asynccontextmanager
    async def expect(self, round_trips: int) -> AsyncIterator[None]:
        """Assert that the block costs exactly so many round trips."""
        await asyncio.sleep(_SETTLE_SECONDS)  # the last message before the block may still be in flight
        self.reset()
        yield
        await asyncio.sleep(_SETTLE_SECONDS)
        self.assert_round_trips(round_trips)

    def __str__(self) -> str:
        return f"[{' | '.join(_described(trip) for trip in self._trips)}]"


@asynccontextmanager
async def counted(
    url: str, *, sslmode: str = "disable", **settings: Any
) -> AsyncIterator[tuple[Database, WireCounter]]:
    """Open a Database of one connection through a counting proxy; no connection is made yet."""
    async with FaultProxy(url).running() as proxy:
        counter = WireCounter(proxy)
        async with Database(DatabaseSettings(url=proxy.url(sslmode=sslmode), pool_size=1, **settings)) as db:
            yield db, counter


def _described(trip: Sequence[Message]) -> str:
    return " ".join(map(_shown, trip)) or "(encrypted)"


def _shown(message: Message) -> str:
    if message.letter not in _CARRIES_SQL or not message.sql:
        return message.name
    sql = " ".join(message.sql.split())
    return f"{message.name} {sql[:_SQL_SHOWN]}{'...' if len(sql) > _SQL_SHOWN else ''}"
