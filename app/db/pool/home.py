"""The event loop and the process that a pool belongs to."""

import asyncio
import os
from collections.abc import Iterable

from app.db.errors import ConfigurationError

_kept_for_the_parent: list[object] = []
"""A forked child keeps its parent's connections for good: to free one would unregister its socket for both."""


class Home:
    """Where a pool's connections work: asyncpg ties each to one loop, and a socket to one process."""

    def __init__(self) -> None:
        self._process = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The pool's loop; it need not run, as when garbage is collected between two runs."""
        assert self._loop is not None
        return self._loop

    def is_here(self) -> bool:
        """Return whether the running loop is the pool's, in its own process."""
        return self._loop is asyncio.get_running_loop() and self._process == os.getpid()

    def is_gone(self) -> bool:
        """Return whether the loop is closed, or the process another one."""
        return self._loop is not None and (self._loop.is_closed() or self._process != os.getpid())

    def move_here(self, belongings: Iterable[object]) -> bool:
        """Belong to the running loop from now on; return whether what the pool had is to be forgotten.

        Raises `ConfigurationError` where the other loop still runs in this process.
        """
        process, loop = self._process, self._loop
        forked = process not in (0, os.getpid())
        if loop is not None and not forked and not loop.is_closed():
            raise ConfigurationError("this Database is in use in another event loop: make one Database for each loop")
        if forked:
            _kept_for_the_parent.extend(belongings)
        self._process, self._loop = os.getpid(), asyncio.get_running_loop()
        return loop is not None
