"""How a measurement is judged, so that the same code gets the same verdict; see decision 21."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.spread import Spread

FEWEST_ROUNDS: Final = 5


class Verdict(enum.StrEnum):
    """What a run says of a budget."""

    HELD = "held"
    OVER = "OVER"
    UNDECIDED = "too few rounds"


@dataclass(frozen=True, slots=True)
class Budget:
    """One promise as a number."""

    what: str
    limit: str
    measured: str
    verdict: Verdict


def fact(what: str, limit: str, measured: str, *, held: bool) -> Budget:
    """Return a budget on what does not vary, or is far from its limit."""
    return Budget(what, limit, measured, Verdict.HELD if held else Verdict.OVER)


def at_most(what: str, limit: float, ratios: Mapping[str, Spread]) -> Budget:
    """Return a budget that is held if the first quartile of each ratio is within the limit; the worst is shown."""
    worst = max(ratios, key=lambda name: ratios[name].quarter)
    return _judged(what, f"≤ {limit}x", worst, ratios[worst], within=ratios[worst].quarter <= limit)


def at_least(what: str, limit: float, ratios: Mapping[str, Spread]) -> Budget:
    """Return a budget that is held if the third quartile of each ratio is within the limit; the worst is shown."""
    worst = min(ratios, key=lambda name: ratios[name].three_quarters)
    return _judged(what, f"≥ {limit}x", worst, ratios[worst], within=ratios[worst].three_quarters >= limit)


def _judged(what: str, limit: str, name: str, found: Spread, *, within: bool) -> Budget:
    measured = found.shown(unit="x") + (f" {name}" if name else "")
    if found.rounds < FEWEST_ROUNDS:
        return Budget(what, limit, measured, Verdict.UNDECIDED)
    return fact(what, limit, measured, held=within)
