"""One reason why Neon refuses a connection."""

from enum import Enum
from typing import NamedTuple


class Decision(Enum):
    """What the layer does when a connection is refused."""

    RETRY = "retried"
    LATER = "not retried; may succeed later"
    FIX = "not retried"


class Reason(NamedTuple):
    """A reason; `pattern` recognizes it in a text."""

    pattern: str
    decision: Decision
    advice: str
    sqlstate: str | None = None
    """The code that PostgreSQL or PgBouncer gives the same text; None for the proxy's own texts."""

    @property
    def needs_a_fix(self) -> bool:
        """Whether waiting does not remove it."""
        return self.decision is Decision.FIX

    @property
    def passes_later(self) -> bool:
        """Whether it ends by itself, but not within seconds."""
        return self.decision is Decision.LATER


def fix(pattern: str, advice: str, sqlstate: str | None = None) -> Reason:
    """Return a reason that waiting does not remove."""
    return Reason(pattern, Decision.FIX, advice, sqlstate)


def retry(pattern: str, advice: str, sqlstate: str | None = None) -> Reason:
    """Return a reason that waiting removes."""
    return Reason(pattern, Decision.RETRY, advice, sqlstate)
