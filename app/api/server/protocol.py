"""One connection of a client, with the deadlines and limits that uvicorn leaves to others."""

import asyncio
import itertools
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.api.errors import BadRequestError
from app.api.problems import MEDIA_TYPE, problem_of

_log = logging.getLogger(__name__)
_SLICE_BYTES: Final = 16_384  # h11 measures a head only when it has read all that it was given
_MAX_CHUNKS: Final = 4_096  # of a body without a length: each costs 15 µs, however short it is
_BETWEEN_WARNINGS_SECONDS: Final = 60.0
_numbers: Final = itertools.count()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server keeps, and how long it waits."""

    connections: int
    head_seconds: float
    body_seconds: float
    write_seconds: float


class LimitedConfig(uvicorn.Config):
    """A configuration of uvicorn that carries our limits to its connections."""

    limits: Limits
    warned: float = float("-inf")


class LimitedProtocol(H11Protocol):
    """Closes a connection that takes too long, and the one that has waited longest when there are too many."""

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _phase: Any = None
    _chunks: int = 0
    _since: float = 0.0
    _number: int = 0

    @property
    def _limits(self) -> Limits:
        return cast("LimitedConfig", self.config).limits

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Start the time of the first head."""
        super().connection_made(transport)
        self._number = next(_numbers)
        self._watch()
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Hand the data on in slices, as long as they are wanted."""
        for start in range(0, len(data), _SLICE_BYTES):
            part = data[start : start + _SLICE_BYTES]
            if self.transport.is_closing() or self._has_too_many_chunks(part):
                return
            super().data_received(part)
        self._watch()

    def pause_writing(self) -> None:
        """Start the time in which the client must read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that time."""
        super().resume_writing()
        _cancel(self._stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every time."""
        _cancel(self._deadline)
        _cancel(self._stalled)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP with a problem, as everything else."""
        if self.cycle is not None:  # the head was HTTP, the body is not: what the application answers now is too late
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        _, problem = problem_of(BadRequestError(msg))
        headers = [
            ("content-type", MEDIA_TYPE),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("connection", "close"),
        ]
        response = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (response, h11.Data(problem.model_dump_json(exclude_none=True).encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def is_served(self) -> bool:
        """Return whether a whole request is being answered."""
        return self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)

    def on_response_complete(self) -> None:
        """Note from when on the next request is waited for."""
        self._since = self.loop.time()
        super().on_response_complete()

    def has_waited_since(self) -> tuple[bool, float, int]:
        """Return what sorts the connections, those that send no body first; the loop's time may stand still."""
        has_begun = (self.conn.their_state, self.conn.our_state) == (h11.SEND_BODY, h11.SEND_RESPONSE)
        return has_begun, self._since, self._number

    def _watch(self) -> None:
        """Start a deadline when a head or a body begins, and stop it when the request is complete."""
        state = self.conn.their_state
        phase = state if state in (h11.IDLE, h11.SEND_BODY) else None
        if phase is self._phase:
            return
        self._phase = phase
        _cancel(self._deadline)
        if phase is not None:
            seconds = self._limits.head_seconds if phase is h11.IDLE else self._limits.body_seconds
            self._chunks, self._since = 0, self.loop.time()
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _has_too_many_chunks(self, part: bytes) -> bool:
        """Count the ends of lines in a body, of which each chunk has two; JSON has none in its strings."""
        if self.conn.their_state is h11.SEND_BODY and _is_chunked(self.scope["headers"]):
            self._chunks += part.count(b"\r\n")
            if self._chunks > 2 * _MAX_CHUNKS:
                self.transport.abort()
                return True
        return False

    def _make_room(self) -> None:
        """Close the connection that has waited longest without a request; this one if all others are being answered."""
        kept = [one for one in self.connections if isinstance(one, LimitedProtocol) and not one.transport.is_closing()]
        if len(kept) <= self._limits.connections:  # of a burst the earlier ones are closed, and not gone yet
            return
        waiting = (one for one in kept if one is not self and not one.is_served())
        min(waiting, key=LimitedProtocol.has_waited_since, default=self).transport.abort()
        config, now = cast("LimitedConfig", self.config), self.loop.time()
        if now - config.warned > _BETWEEN_WARNINGS_SECONDS:
            config.warned = now
            _log.warning(
                "%d connections are open, as many as may be: those that wait longest without a whole request are "
                "closed for new ones",
                self._limits.connections,
            )


def _is_chunked(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"transfer-encoding" for name, _ in headers)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
