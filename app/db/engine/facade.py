"""SQLAlchemy's pool: none, the layer has its own."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from app.db.pool.pool import Pool
from app.db.target.settings import DatabaseSettings


class PoolFacade(NullPool):
    """Checks connections out of the layer's pool and back; `engine.dispose()` closes those that are idle."""

    def __init__(self, creator: Callable[[], Any], pool: Pool) -> None:
        super().__init__(creator)
        self._layers_pool = pool

    @property
    def settings(self) -> DatabaseSettings:
        """Where the connections go, and how."""
        return self._layers_pool.settings

    def dispose(self) -> None:
        """Close the idle connections; the pool goes on."""
        await_only(self._layers_pool.close_idle())

    def recreate(self) -> "PoolFacade":
        """Return itself: nothing in it is used up."""
        return self

    def status(self) -> str:
        """Return the figures of the layer's pool as text."""
        return str(self._layers_pool.status())
