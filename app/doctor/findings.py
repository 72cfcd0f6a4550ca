"""What a check found."""

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
    """One thing that was looked at. `check` never changes its name: programs go by it."""

    check: str
    """The group, a dot, and what was looked at: ``tls.version``."""
    level: Level
    found: str
    advice: str = ""
    """What to do; empty where nothing is to be done."""

    @property
    def group(self) -> str:
        """The part of `check` before the dot."""
        return self.check.partition(".")[0]

    @property
    def name(self) -> str:
        """The part of `check` after the dot."""
        return self.check.partition(".")[2]


def ok(check: str, found: str) -> Finding:
    """Return that all is well."""
    return Finding(check, Level.OK, found)


def note(check: str, found: str, advice: str = "") -> Finding:
    """Return what is good to know, and no fault."""
    return Finding(check, Level.NOTE, found, advice)


def warning(check: str, found: str, advice: str) -> Finding:
    """Return what works today and will hurt one day."""
    return Finding(check, Level.WARNING, found, advice)


def error(check: str, found: str, advice: str) -> Finding:
    """Return what breaks a promise now."""
    return Finding(check, Level.ERROR, found, advice)


class Broken(Exception):  # noqa: N818 - it is a promise that is, not the program
    """A success criterion does not hold; the text says what was seen."""

    def __init__(
        self,
        seen: str,
        advice: str = "This is a fault of the schema or of this layer: report it.",
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
