"""What the pool is doing."""

from collections.abc import Iterable
from typing import NamedTuple

from app.db.pool.holder import Holder


class ReplicaStatus(NamedTuple):
    """The figures of one replica since the process began."""

    place: str
    size: int
    in_use: int
    idle: int
    served: int
    """Reads that it answered."""
    behind: int
    """Reads that it lacked a write for, and that the primary answered, as it did those that follow."""
    not_ready: int
    """Reads for which no connection was free at that moment."""
    late: int
    """Reads whose answer did not come in time."""
    failed: int
    """Reads that it refused, and connections that broke."""
    lag_seconds: float
    """How far it was behind the primary when it last answered."""
    left_alone: bool
    """Whether it is not asked: it did not answer, failed or was promoted, and has not answered a check since."""
    last_error: str | None


class PoolStatus(NamedTuple):
    """The figures of one moment."""

    size: int
    in_use: int
    idle: int
    connecting: int
    """Connections that are being opened, each for a caller that waits for it."""
    waiting: int
    """Callers beyond those."""
    last_error: str | None
    """Why the last attempt to connect failed; None once one has succeeded."""
    replicas: tuple[ReplicaStatus, ...] = ()
    reads_on_primary: int = 0
    """Reads of repositories that the primary answered although there are replicas, since the process began."""

    def in_words(self, holders: Iterable[Holder]) -> str:
        """Return the figures, with who holds connections and where in the caller's code."""
        longest = sorted(holders, key=lambda holder: -holder.held_seconds)[:3]
        held = ", ".join(f"{holder.held_seconds:.1f} s by {holder.place()}" for holder in longest)
        error = f" (last error: {self.last_error})" if self.last_error else ""
        connecting = f"{self.connecting} connecting{error}, " if self.connecting or error else ""
        return f"{self.in_use} of {self.size} in use, {connecting}{self.waiting} waiting; held longest: {held}"
