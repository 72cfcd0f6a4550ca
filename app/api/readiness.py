"""Whether the database can serve requests, and if not, why, in plain words."""

import asyncio
import logging
import time
from functools import cache
from typing import Final

from app.api.errors import NotReadyError
from app.db import Database
from app.db.access import MISSING_RIGHTS, remedies, wanted_rights
from app.db.driver.connect import connect
from app.db.errors import ConfigurationError, DataAccessError, PoolTimeoutError, UnavailableError
from app.db.migrations import known_revisions
from app.db.query import Query, WhenLost
from app.db.revisions import NO_SUCH_TABLE, explain_schema_error, recorded_revisions

_log = logging.getLogger(__name__)
_CACHED_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 1.0


_RIGHTS: Final = Query("readiness.rights", MISSING_RIGHTS, str, WhenLost.NOT_DONE, pinned=False)


@cache
def _revision() -> Query[str]:
    return Query("readiness", recorded_revisions(), str, WhenLost.NOT_DONE, pinned=False)


class Readiness:
    """Queries the database at most once a second, however many probes there are, and answers within two."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._history = known_revisions()
        self._asking: asyncio.Task[str | None] | None = None
        self._verdict: asyncio.Task[str | None] | None = None
        self._until = 0.0

    async def check(self) -> None:
        """Return if the database is reachable and migrated; raises a `NotReadyError` that says what is wrong."""
        if self._verdict is None or (self._verdict.done() and time.monotonic() > self._until):
            self._verdict = asyncio.create_task(self._judge())
        problem = await asyncio.shield(self._verdict)
        if problem:
            raise NotReadyError(problem)

    async def close(self) -> None:
        """Cancel the query in flight."""
        tasks = [task for task in (self._verdict, self._asking) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _judge(self) -> str | None:
        # Not cancelled when it takes too long: each cancellation costs a connection, while the database is slow.
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        await asyncio.wait([self._asking], timeout=_PATIENCE_SECONDS)
        problem = self._asking.result() if self._asking.done() else await self._why_no_answer()
        if problem:
            _log.warning("not ready: %s", problem)
        self._until = time.monotonic() + _CACHED_SECONDS
        return problem

    async def _ask(self) -> str | None:
        try:
            revisions = await self._database.fetch(_revision(), {})
            missing = await self._database.fetch(_RIGHTS, wanted_rights())
        except PoolTimeoutError:
            return await self._why_no_answer()
        except DataAccessError as error:
            return _in_plain_words(error)
        refused = " ".join(map(str, remedies(missing, self._database.settings)))
        return self._behind(revisions) or (f"refused: {refused}" if refused else None)

    def _behind(self, revisions: list[str]) -> str | None:
        """Return what is missing; an unknown revision is newer than this code, which works on it too."""
        head, ours = self._history[0], [revision for revision in revisions if revision in self._history]
        if revisions and (not ours or ours == [head]):
            return None
        return f"migrations are behind: the database is at {', '.join(ours) or 'nothing'}, the code needs {head}"

    async def _why_no_answer(self) -> str:
        """Tell a pool that is too small from a database that is gone, for which all connections are being opened."""
        settings = self._database.settings
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await (await connect(settings, settings.target())).close()
        except TimeoutError:
            return "unreachable: the database does not answer"
        except DataAccessError as error:
            return _in_plain_words(error)
        pool = self._database.pool_status()
        if pool.in_use == pool.size:
            return f"pool exhausted: all {pool.size} connections are in use, {pool.waiting} callers are queued"
        return "slow: the database accepts connections, but does not answer"


def _in_plain_words(error: DataAccessError) -> str:
    match error:
        case UnavailableError():
            return "unreachable: cannot connect to the database"
        case ConfigurationError(advice=advice) if advice not in (None, explain_schema_error(())):
            return f"refused: {advice}"
        case ConfigurationError(sqlstate=state) if state == NO_SUCH_TABLE:
            return "migrations are behind: the database has no tables of this application"
        case ConfigurationError():
            return "refused: the database rejects the credentials or settings"
        case _:
            return "the database answers with an error"
