"""One asyncpg connection, and what the layer keeps with it."""

import random
import time
from typing import Any

from app.db.pool.holder import Holder


class PooledConnection:
    """A connection of the pool; `holder` is set while it is in use."""

    __slots__ = (
        "adapted",
        "driver",
        "holder",
        "lifetime_share",
        "opened_at",
        "opening_seconds",
        "prepared",
        "returned_at",
    )

    def __init__(self, driver: Any, *, opening_seconds: float = 0.0) -> None:
        self.driver = driver
        self.opening_seconds = opening_seconds
        """How long it took to open; 0 once a caller has had it."""
        self.lifetime_share = random.uniform(0.8, 1.0)  # noqa: S311 - nothing secret
        """How much of the longest lifetime this one may reach, so that those opened together end one by one."""
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

    @property
    def is_clean(self) -> bool:
        """Whether it is open and in no transaction, such as one whose session was left while a task still used it."""
        return self.is_open and not self.driver.is_in_transaction()

    def age_seconds(self) -> float:
        """Return how long ago it was opened."""
        return time.monotonic() - self.opened_at

    def idle_seconds(self) -> float:
        """Return how long ago it came back to the pool."""
        return time.monotonic() - self.returned_at
