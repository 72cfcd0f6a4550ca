"""Whether the database can be worked with, and if not, why, in plain words."""

import asyncio
import logging
import time
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from app.api.errors import NotReadyError
from app.db import Database
from app.db.errors import ConfigurationError, DataAccessError, PoolTimeoutError, UnavailableError

_log = logging.getLogger(__name__)
_INI: Final = Path(__file__).parents[2] / "alembic.ini"
_CACHED_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0
_NOT_MIGRATED: Final = "42P01"
_REVISION: Final = text("select version_num from alembic_version").execution_options(repeatable=True)


class Readiness:
    """Asks the database at most once a second, however many ask."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._scripts = ScriptDirectory.from_config(Config(_INI))
        self._asking: asyncio.Task[str | None] | None = None
        self._until = 0.0

    async def check(self) -> None:
        """Return if the database is there and migrated; raises `NotReadyError` that says what is wrong."""
        problem = await self._problem()
        if problem:
            raise NotReadyError(problem)

    async def close(self) -> None:
        """Stop asking."""
        if self._asking:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _problem(self) -> str | None:
        if self._asking is None or (self._asking.done() and time.monotonic() > self._until):
            self._asking = asyncio.create_task(self._ask())
        # Not cancelled when it takes too long: that would cost a connection each time, while the database is slow.
        await asyncio.wait([self._asking], timeout=_PATIENCE_SECONDS)
        return self._asking.result() if self._asking.done() else self._slow()

    async def _ask(self) -> str | None:
        try:
            revisions = (await self._database.execute(_REVISION)).scalars().all()
        except DataAccessError as error:
            _log.warning("not ready: %s", error)
            return _in_plain_words(error)
        finally:
            self._until = time.monotonic() + _CACHED_SECONDS
        return self._behind(list(revisions))

    def _behind(self, revisions: list[str]) -> str | None:
        """Return what is missing; a revision that we do not know is newer than this code, which works on it too."""
        known = {script.revision for script in self._scripts.walk_revisions()}
        ours = [revision for revision in revisions if revision in known]
        head = self._scripts.get_current_head()
        if revisions and (not ours or ours == [head]):
            return None
        return f"migrations are behind: the database is at {', '.join(ours) or 'nothing'}, the code needs {head}"

    def _slow(self) -> str:
        pool = self._database.pool_status()
        if pool.in_use == pool.size:
            return f"pool exhausted: all {pool.size} connections are in use, {pool.waiting} callers wait"
        return f"unreachable: the database did not answer within {_PATIENCE_SECONDS:g} s"


def _in_plain_words(error: DataAccessError) -> str:
    match error:
        case UnavailableError():
            return "unreachable: no connection to the database can be made"
        case PoolTimeoutError():
            return "pool exhausted: all connections are in use"
        case ConfigurationError(sqlstate=state) if state == _NOT_MIGRATED:
            return "migrations are behind: the database has no tables of ours"
        case ConfigurationError():
            return "refused: the database does not accept our credentials or settings"
        case _:
            return "the database answers with an error"
