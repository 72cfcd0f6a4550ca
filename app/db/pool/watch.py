"""The warning about connections that are held while nothing runs on them."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from app.db.pool.connection import PooledConnection

_log = logging.getLogger(__name__)


class IdleTransactionWatch:
    """Names, once each, the callers that hold a connection without a statement for longer than a limit.

    A session held while a model answers is what takes chat back ends down.
    """

    def __init__(self, in_use: Mapping[Any, PooledConnection], limit_seconds: float) -> None:
        self._in_use = in_use
        self._limit_seconds = limit_seconds
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Check after the limit, and again as long as a connection is in use."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._limit_seconds, self._check)

    def stop(self) -> None:
        """Check no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        self._timer = None
        for connection in self._in_use.values():
            holder = connection.holder
            silent = holder.silent_seconds
            if silent >= self._limit_seconds and not holder.warned:
                holder.warned = True
                _log.warning("a connection has been held for %.1f s without a statement by %s", silent, holder.place())
        if self._in_use:
            self.start()
