"""Who holds a connection, since when, and where in the caller's code."""

import asyncio
import time
from collections.abc import AsyncGenerator, Coroutine, Generator
from types import FrameType
from typing import Any

# Frames of these are how the caller waits, not where.
_MACHINERY = ("asyncio", "sqlalchemy", "asyncpg", "app.db", "app.repositories", "backoff", "contextlib", "greenlet")


class Holder:
    """One task holding one connection."""

    __slots__ = ("connecting_seconds", "ended", "queued_seconds", "running", "since", "task", "warned")

    def __init__(self) -> None:
        self.queued_seconds = self.connecting_seconds = 0.0
        self.task = asyncio.current_task()
        self.since = self.ended = time.monotonic()
        self.running = False
        self.warned = False

    @property
    def held_seconds(self) -> float:
        """How long the connection has been held."""
        return time.monotonic() - self.since

    @property
    def silent_seconds(self) -> float:
        """How long it has been held without a statement running."""
        return 0.0 if self.running else time.monotonic() - self.ended

    def place(self) -> str:
        """Return the innermost line of the caller's own code at which the holding task stands now."""
        if self.task is None:
            return "no task"
        lines = [f"{frame.f_code.co_filename}:{frame.f_lineno}" for frame in _frames(self.task) if _is_callers(frame)]
        return f"{self.task.get_name()} at {lines[-1]}" if lines else self.task.get_name()


def _frames(task: "asyncio.Task[Any]") -> list[FrameType]:
    """Return the frames of the coroutines that `task` is in, the outermost first."""
    frames: list[FrameType] = []
    awaited: Any = task.get_coro()
    while isinstance(awaited, Coroutine | Generator | AsyncGenerator):  # another awaitable may answer anything
        frame = _first(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            frames.append(frame)
        awaited = _first(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    return frames


def _first(awaited: Any, *names: str) -> Any:
    """Return the attribute of a coroutine, of a generator, or of an asynchronous one."""
    return next(filter(None, (getattr(awaited, name, None) for name in names)), None)


def _is_callers(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return not module.startswith(_MACHINERY)
