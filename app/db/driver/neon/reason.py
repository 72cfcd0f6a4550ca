"""One reason for which a connection to Neon is refused."""

from dataclasses import dataclass
from enum import Enum


class Decision(Enum):
    """What the layer does when a connection is refused."""

    RETRY = "retried"
    LATER = "not retried; may succeed later"
    FIX = "not retried"


@dataclass(frozen=True, slots=True)
class Reason:
    """`pattern` finds it; `texts` are its sentences in the source, with examples in place of names."""

    pattern: str
    texts: tuple[str, ...]
    decision: Decision
    advice: str
    sqlstate: str | None = None
    """The code that PostgreSQL or PgBouncer gives the same text; None for texts of the proxy's own."""


def fix(pattern: str, *texts: str, advice: str, sqlstate: str | None = None) -> Reason:
    """Return a reason that waiting does not remove."""
    return Reason(pattern, texts, Decision.FIX, advice, sqlstate)


def retry(pattern: str, *texts: str, advice: str, sqlstate: str | None = None) -> Reason:
    """Return a reason that passes."""
    return Reason(pattern, texts, Decision.RETRY, advice, sqlstate)
