"""What is measured of one statement, executed once."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Execution:
    """One statement by its name; its text, its parameters and its rows are private and not in here."""

    name: str
    retry: int = 0
    """How often the call was retried before; 0 is the first time."""
    queued_seconds: float = 0.0
    """How long its caller queued for a connection."""
    connecting_seconds: float = 0.0
    """How long a connection was opened or checked for it."""
    server_seconds: float = 0.0
    """From sending it to the last byte of its answer, as the driver sees it."""
    decoding_seconds: float = 0.0
    """How long its rows took to become read models."""
    rows: int = 0
    error: str | None = None
    """The server's code, or the class of an error without one."""
    replica: str | None = None
    """The host and port of the replica that ran it; None is the primary."""
    began_ns: int = field(default_factory=time.time_ns)
    """When it was sent, in nanoseconds since 1970."""


Report = Callable[[Execution], None]
Reports = Sequence[Report]
