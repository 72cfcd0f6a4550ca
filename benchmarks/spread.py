"""A figure as the rounds of a run gave it."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median over the rounds, and the quartiles around it."""

    quarter: float
    median: float
    three_quarters: float
    rounds: int

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of one value per round."""
        found = sorted(values)
        if len(found) == 1:
            return cls(found[0], found[0], found[0], 1)
        quarter, median, three_quarters = statistics.quantiles(found, n=4, method="inclusive")
        return cls(quarter, median, three_quarters, len(found))

    @classmethod
    def of_ratios(cls, mine: Sequence[float], other: Sequence[float]) -> "Spread":
        """Return the spread of the ratio of two contenders, taken in each round that both ran in."""
        return cls.of(one / another for one, another in zip(mine, other, strict=True))

    def shown(self, form: str = ".2f", unit: str = "") -> str:
        """Return the median and, in parentheses, the quartiles."""
        return f"{self.median:{form}}{unit} ({self.quarter:{form}}-{self.three_quarters:{form}})"
