"""How a criterion says that it is broken."""

from app.doctor.findings import Level


class Broken(Exception):  # noqa: N818 - it is a promise that is, not the program
    """A criterion does not hold; the text says what was seen."""

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
