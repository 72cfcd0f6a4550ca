"""Sessions, and the transaction around one."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import event, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from app.db.driver.cancellation import uninterrupted
from app.db.driver.sqlstates import DRIVER_ERRORS
from app.db.engine.translation import translating
from app.db.errors import ClosedError, DataAccessError, OutcomeUnknownError
from app.db.target.settings import DatabaseSettings

_log = logging.getLogger(__name__)
SET_USER = text("select pg_catalog.set_config('app.user_id', :user_id, true)")
"""Names the user to the server until the transaction ends."""
_CLEANUP_ERRORS = (SQLAlchemyError, DataAccessError, *DRIVER_ERRORS)


class SessionUntilClosed(Session):
    """A session that is used until it is closed: after that, and not only at its next COMMIT, it is an error."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._ends_by_close = more.get("close_resets_only") is not True
        self._is_closed = False

    def close(self) -> None:
        """Close it: for good, unless it was made with `close_resets_only`, as SQLAlchemy documents it."""
        try:
            super().close()
        finally:
            self._is_closed = self._ends_by_close

    def get_bind(self, *arguments: Any, **more: Any) -> Any:
        """Return the engine, which every statement asks for."""
        self._check()
        return super().get_bind(*arguments, **more)

    def begin(self, nested: bool = False) -> SessionTransaction:  # noqa: FBT001, FBT002 - as SQLAlchemy declares it
        """Begin a transaction or a savepoint."""
        self._check()
        return super().begin(nested)

    def add(self, instance: object, **more: Any) -> None:
        """Add an object."""
        self._check()
        super().add(instance, **more)

    def commit(self) -> None:
        """Commit the transaction."""
        self._check()
        super().commit()

    def _check(self) -> None:
        if self._is_closed:
            raise ClosedError("the session's block has ended: nothing was done; open a new one, or use the Database")


def create_sessionmaker(engine: AsyncEngine, settings: DatabaseSettings) -> async_sessionmaker[AsyncSession]:
    """Return what opens sessions: usable until they are closed, then an error; with the timeouts of the settings."""
    sync_maker = sessionmaker(class_=SessionUntilClosed)
    milliseconds = {
        name: f"{seconds * 1000:.0f}"
        for name, seconds in (
            ("statement_timeout", settings.statement_timeout_seconds),
            ("lock_timeout", settings.lock_timeout_seconds),
        )
        if seconds is not None
    }
    if milliseconds:
        # `true` makes it SET LOCAL: it ends with the transaction and passes through any pooler.
        statement = select(*(func.pg_catalog.set_config(name, value, True) for name, value in milliseconds.items()))
        event.listen(sync_maker, "after_begin", lambda _, __, connection: connection.execute(statement))
    return async_sessionmaker(engine, sync_session_class=sync_maker, expire_on_commit=False, close_resets_only=False)


@asynccontextmanager
async def transaction(
    make_session: async_sessionmaker[AsyncSession], *, user_id: str | None = None
) -> AsyncIterator[AsyncSession]:
    """Yield a session, commit it at the end, roll it back on any exception, and close it in both cases.

    What goes wrong while it is rolled back or closed is logged: the exception that led there is the caller's to see.
    """
    session = make_session()
    try:
        with translating():
            if user_id is not None:
                await session.execute(SET_USER, {"user_id": user_id})
            yield session
            await session.flush()
        with translating(OutcomeUnknownError):
            # A caller cancelled meanwhile waits for the answer first, so that the outcome is known.
            await uninterrupted(session.commit())
    finally:
        await uninterrupted(_close(session))


async def _close(session: AsyncSession) -> None:
    """Roll back what is not committed and give the connection back, or, where that fails, throw it away."""
    try:
        await session.close()
    except _CLEANUP_ERRORS as error:
        _log.warning("a session could not be closed cleanly, its connection is replaced: %s", error)
        with suppress(*_CLEANUP_ERRORS):
            await session.invalidate()
