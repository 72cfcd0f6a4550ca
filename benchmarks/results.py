"""The results of a run; stored in `results.json`, from which the report is generated."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contenders import BASELINE
from benchmarks.spread import Spread

OPERATIONS = ("create", "get", "page", "update", "append", "latest", "delete", "turn")


@dataclass(slots=True)
class Timing:
    """One operation of one contender at one delay, in seconds per call."""

    contender: str
    operation: str
    delay_ms: float
    median: float
    quarter: float
    three_quarters: float
    cpu: float
    rounds: list[float]
    """The median of each round."""
    cpu_rounds: list[float]
    """The processor time of a call in each round."""


@dataclass(slots=True)
class Burst:
    """Many callers at once on a pool of 20 connections, in seconds."""

    contender: str
    callers: int
    calls_per_second: list[float]
    """In each round."""
    cpu_per_call: float
    p50: float
    p99: float
    slowest_to_fastest: float
    """The time of the slowest caller for all its calls, divided by that of the fastest."""
    memory_bytes: int
    connections: int
    errors: int
    first_error: str | None


@dataclass(slots=True)
class Growth:
    """What one page of 50 costs in a list of `rows`."""

    what: str
    rows: int
    buffers: int
    rows_read: int
    median: float


@dataclass(slots=True)
class Query:
    """The slowest calls of one repository method, for a user with 10,000 rows in a table of 1,000,000."""

    method: str
    median: float
    p99: float


@dataclass(slots=True)
class Served:
    """One request of one service, in each round."""

    service: str
    request: str
    cpu_rounds: list[float]
    """The server's processor time for a request, in seconds."""
    per_second: list[float]
    """How many requests were answered in a second."""


_LISTS: dict[str, Any] = {
    "timings": Timing,
    "observed": Timing,
    "bursts": Burst,
    "concurrency": Burst,
    "growth": Growth,
    "queries": Query,
    "served": Served,
}


@dataclass(slots=True)
class Results:
    """All results of one run."""

    machine: dict[str, str]
    versions: dict[str, str]
    hows: dict[str, str]
    quick: bool
    timings: list[Timing] = field(default_factory=list)
    observed: list[Timing] = field(default_factory=list)
    """A `get` of this layer, and of this layer while it is observed, without delay."""
    round_trips: dict[str, dict[str, float]] = field(default_factory=dict)
    bursts: list[Burst] = field(default_factory=list)
    concurrency: list[Burst] = field(default_factory=list)
    variants: dict[str, list[Timing]] = field(default_factory=dict)
    growth: list[Growth] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    bulk_rows_per_second: dict[str, list[float]] = field(default_factory=dict)
    upgrade_seconds: float = 0.0
    import_ratios: list[float] = field(default_factory=list)
    served: list[Served] = field(default_factory=list)
    deletion_seconds: float = 0.0
    took_seconds: float = 0.0
    chapter_seconds: dict[str, float] = field(default_factory=dict)

    def timing(self, contender: str, operation: str, delay_ms: float) -> Timing | None:
        """Return the measurement, or None if the contender cannot do the operation."""
        for timing in self.timings:
            if (timing.contender, timing.operation, timing.delay_ms) == (contender, operation, delay_ms):
                return timing
        return None

    def spread(
        self, contender: str, operation: str, delay_ms: float, *, to: str = BASELINE, of_processor: bool = False
    ) -> Spread | None:
        """Return a contender's time divided by another's, or None if one of them cannot do the operation."""
        mine, other = self.timing(contender, operation, delay_ms), self.timing(to, operation, delay_ms)
        if not mine or not other:
            return None
        if of_processor:
            return Spread.of_ratios(mine.cpu_rounds, other.cpu_rounds)
        return Spread.of_ratios(mine.rounds, other.rounds)

    def ratio(self, contender: str, operation: str, delay_ms: float, *, to: str = BASELINE) -> float | None:
        """Return the median of what `spread` returns."""
        found = self.spread(contender, operation, delay_ms, to=to)
        return found.median if found else None

    def mean_spread(self, contender: str, delay_ms: float) -> Spread | None:
        """Return the geometric mean of a contender's ratios to the baseline in each round, over all that it can do."""
        pairs = [(self.timing(contender, each, delay_ms), self.timing(BASELINE, each, delay_ms)) for each in OPERATIONS]
        ratios = [
            [one / another for one, another in zip(mine.rounds, other.rounds, strict=True)]
            for mine, other in pairs
            if mine and other
        ]
        return Spread.of(map(statistics.geometric_mean, zip(*ratios, strict=True))) if ratios else None

    def mean_ratio(self, contender: str, delay_ms: float) -> float | None:
        """Return the median of what `mean_spread` returns."""
        found = self.mean_spread(contender, delay_ms)
        return found.median if found else None

    def observed_processor(self, contender: str, *, to: str) -> Spread:
        """Return the processor time of an observed call divided by another's."""
        found = {timing.contender: timing.cpu_rounds for timing in self.observed}
        return Spread.of_ratios(found[contender], found[to])

    def served_by(self, service: str, request: str) -> Served:
        """Return what was measured of a request; raises `LookupError` if it was not."""
        for served in self.served:
            if (served.service, served.request) == (service, request):
                return served
        raise LookupError(f"{request} of {service} was not measured")

    def delays(self) -> list[float]:
        """Return the measured delays, in milliseconds."""
        return sorted({timing.delay_ms for timing in self.timings})

    def save(self, file: Path) -> None:
        """Write the results as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Results":
        """Read the results that `save` wrote."""
        raw: dict[str, Any] = json.loads(file.read_text())
        for name, kind in _LISTS.items():
            raw[name] = [kind(**item) for item in raw[name]]
        raw["variants"] = {name: [Timing(**item) for item in items] for name, items in raw["variants"].items()}
        return cls(**raw)
