"""A transaction of our own, which comes after everything that was acknowledged before it began."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextvars import Context
from typing import Final

from sqlalchemy import BigInteger, text

from app.db.engine.runner import Runner
from app.db.errors import DataAccessError
from app.db.query import Query, Record, WhenLost
from app.db.replicas.identity import SERVER, Identity, identity_of
from app.db.replicas.mark import Stamp

_log = logging.getLogger(__name__)
_BARRIER: Final = Query(
    "replicas.barrier",
    text(f"select cast(cast(pg_catalog.pg_current_xact_id() as text) as bigint) as xid, {SERVER} as server").columns(
        xid=BigInteger, server=BigInteger
    ),
    Record,
    WhenLost.NOT_DONE,  # to run it twice is harmless
)
_PAUSE_SECONDS: Final = 1.0


class Barrier:
    """Asks the primary for a barrier, one at a time, apart from the reads that wait for it."""

    def __init__(self, runner: Runner, passed: Callable[..., None]) -> None:
        self._runner = runner
        self._passed = passed
        self.primary: Identity | None = None
        """The server that gave the last barrier."""
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0.0

    def ask(self) -> None:
        """Begin to ask, unless that is under way or failed within the last second."""
        loop = asyncio.get_running_loop()
        under_way = self._task is not None and not self._task.done() and self._task.get_loop() is loop
        if not under_way and time.monotonic() >= self._not_before:
            # In a context of its own: what traces the caller does not trace what others wait for too.
            self._task = loop.create_task(self._ask(), context=Context())

    async def close(self) -> None:
        """Ask no more."""
        self._not_before = float("inf")
        if self._task is not None and self._task.get_loop() is asyncio.get_running_loop():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _ask(self) -> None:
        began = time.monotonic()
        try:
            (found,) = await self._runner.run(_BARRIER, {})
            stamp = Stamp(**found)
            if self.primary is None or self.primary.server != stamp.server:
                self.primary = await identity_of(self._runner)
        except DataAccessError as error:
            self._not_before = time.monotonic() + _PAUSE_SECONDS
            _log.warning("reads stay on the primary, which gave no barrier: %s", error)
        else:
            self._passed(stamp, began=began)
