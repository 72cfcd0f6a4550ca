"""The findings of a check."""

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is."""

    OK = 0
    NOTE = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of a check. The name in `check` is stable: programs rely on it."""

    check: str
    """The group, a dot and what was examined: ``tls.version``."""
    level: Level
    found: str
    advice: str = ""
    """What to do; empty if there is nothing to do."""

    @property
    def group(self) -> str:
        """The part of `check` before the dot."""
        return self.check.partition(".")[0]

    @property
    def name(self) -> str:
        """The part of `check` after the dot."""
        return self.check.partition(".")[2]


def ok(check: str, found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(check, Level.OK, found)


def note(check: str, found: str, advice: str = "") -> Finding:
    """Return a finding that is worth knowing but not a fault."""
    return Finding(check, Level.NOTE, found, advice)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return a finding that works today and will cause trouble later."""
    return Finding(check, Level.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Return a finding that breaks a promise now."""
    return Finding(check, Level.ERROR, found, advice)


class Broken(Exception):  # noqa: N818 - the promise is broken, not the program
    """A success criterion does not hold; the text gives the evidence."""

    def __init__(
        self,
        seen: str,
        advice: str = "This is a bug in the schema or in this layer: report it.",
        *,
        level: Level = Level.ERROR,
    ) -> None:
        super().__init__(seen)
        self.advice = advice
        self.level = level


def require(kept: bool, seen: str) -> None:  # noqa: FBT001 - reads like assert
    """Raise `Broken` unless `kept`."""
    if not kept:
        raise Broken(seen)
