"""One asyncpg connection, and what the layer keeps with it."""

import time
from typing import Any

from app.db.pool.holder import Holder


class PooledConnection:
    """A connection of the pool; `holder` is set while it is in use."""

    __slots__ = ("adapted", "driver", "holder", "opened_at", "prepared", "returned_at")

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.adapted: Any = None
        """SQLAlchemy's view of the same connection, once an engine has used it."""
        self.prepared: dict[str, Any] = {}
        """Prepared statements of our queries, by their SQL: through a pooler the driver itself keeps none."""
        self.opened_at = self.returned_at = time.monotonic()
        self.holder = Holder()

    @property
    def is_open(self) -> bool:
        """Whether neither side has closed it, as far as is known here."""
        return not self.driver.is_closed()

    def age_seconds(self) -> float:
        """Return how long ago it was opened."""
        return time.monotonic() - self.opened_at

    def idle_seconds(self) -> float:
        """Return how long ago it came back to the pool."""
        return time.monotonic() - self.returned_at
