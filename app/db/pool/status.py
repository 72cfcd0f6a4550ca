"""What the pool is doing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """The figures of one moment."""

    size: int
    in_use: int
    idle: int
    waiting: int
    longest_hold_seconds: float
