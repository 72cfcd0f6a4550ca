"""What is measured of replicas."""

from typing import Protocol

from app.db.pool.status import ReplicaStatus


class Replicas(Protocol):
    """The replicas of one database."""

    reads_on_primary: int
    """How many reads of a user's rows no replica answered."""

    def status(self) -> tuple[ReplicaStatus, ...]:
        """Return the figures of each; another thread may ask."""
