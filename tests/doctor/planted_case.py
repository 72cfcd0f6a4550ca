"""One thing that can be wrong with a database."""

from dataclasses import dataclass

from app.doctor import Level


@dataclass(frozen=True)
class Planted:
    """A planted problem, and the finding that must name it."""

    statements: tuple[str, ...]
    check: str
    level: Level
    says: str
    advises: str
