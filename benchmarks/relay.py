"""A process between client and server: it delays the traffic and counts round trips."""

import asyncio
import json
import selectors
import sys
from collections import deque


class Relay:
    """Listen, and relay each connection to the server, with half of `delay_seconds` each way."""

    def __init__(self, port: int, delay_seconds: float) -> None:
        self._port = port
        self.one_way_seconds = delay_seconds / 2
        self.round_trips = 0

    async def serve(self) -> asyncio.Server:
        """Listen on a free port."""
        return await asyncio.get_running_loop().create_server(lambda: Side(self), "127.0.0.1", 0)

    async def connect(self, client: "Side") -> None:
        """Open the server's half of a connection."""
        await asyncio.get_running_loop().create_connection(lambda: Side(self, client), "127.0.0.1", self._port)


class Side(asyncio.Protocol):
    """One end of a connection; `peer` is the other."""

    def __init__(self, relay: Relay, peer: "Side | None" = None) -> None:
        self._relay = relay
        self._peer = peer
        self._faces_server = peer is not None
        self._early: list[bytes] = []
        self._on_the_way: deque[bytes] = deque()
        self._asked = False
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect the two ends."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._peer is None:
            self._connecting = asyncio.ensure_future(self._relay.connect(self))
            return
        self._peer._peer = self  # noqa: SLF001 - of the same class
        for data in self._peer._early:  # noqa: SLF001
            self._peer.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Pass the data on after the delay."""
        if self._peer is None:
            self._early.append(data)
            return
        self._count()
        self._on_the_way.append(data)
        if self._relay.one_way_seconds:
            asyncio.get_running_loop().call_later(self._relay.one_way_seconds, self._arrive)
        else:
            self._arrive()

    def connection_lost(self, _: Exception | None) -> None:
        """Close the other end too."""
        if self._peer is not None:
            self._peer._transport.close()  # noqa: SLF001

    def _arrive(self) -> None:
        assert self._peer is not None
        self._peer._transport.write(self._on_the_way.popleft())  # noqa: SLF001

    def _count(self) -> None:
        # A round trip is a request and its answer, in any number of packets.
        assert self._peer is not None
        if not self._faces_server:
            self._asked = True
        elif self._peer._asked:  # noqa: SLF001
            self._peer._asked = False  # noqa: SLF001
            self._relay.round_trips += 1


async def main(port: int, delay_seconds: float) -> None:
    """Print the port, then answer each input line with the round trips so far."""
    relay = Relay(port, delay_seconds)
    server = await relay.serve()
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"round_trips": relay.round_trips}), flush=True)


if __name__ == "__main__":
    # Neither epoll nor uvloop: their timers have whole milliseconds, and half of one is needed here.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(main(int(sys.argv[1]), float(sys.argv[2])))
