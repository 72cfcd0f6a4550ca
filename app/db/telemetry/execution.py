"""What is measured of one statement, executed once."""

import time
from collections.abc import Callable, Sequence


class Execution:
    """One statement by its name; its text, its parameters and its rows are private and not in here."""

    __slots__ = (
        "began_ns",
        "connecting_seconds",
        "decoding_seconds",
        "error",
        "name",
        "queued_seconds",
        "replica",
        "retry",
        "rows",
        "server_seconds",
    )

    def __init__(self, name: str, retry: int, queued_seconds: float, connecting_seconds: float) -> None:
        self.name = name
        self.retry = retry
        """How often the call was retried before; 0 is the first time."""
        self.queued_seconds = queued_seconds
        """How long its caller queued for a connection."""
        self.connecting_seconds = connecting_seconds
        """How long a connection was opened or checked for it."""
        self.server_seconds = 0.0
        """From sending it to the last byte of its answer, as the driver sees it."""
        self.decoding_seconds = 0.0
        """How long its rows took to become read models."""
        self.rows = 0
        self.error: str | None = None
        """The server's code, or the class of an error without one."""
        self.replica: str | None = None
        """The host and port of the replica that ran it; None is the primary."""
        self.began_ns = time.time_ns()
        """When it was sent, in nanoseconds since 1970."""


Report = Callable[[Execution], None]
Reports = Sequence[Report]
