"""What was measured of the large table; stored in `benchmarks/volume.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.volume.sizes import Sizes


@dataclass(slots=True)
class Call:
    """A repository call by one caller, in seconds; the buffers are those of its statement."""

    buffers: int
    median: float
    p99: float


@dataclass(slots=True)
class Growth:
    """Many appends, and what they left."""

    appends: int
    seconds: float
    wal_bytes: float
    """Of each append."""
    before: Sizes
    at_once: Sizes
    later: Sizes
    """A minute later, when autovacuum has come."""
    buffers: dict[str, list[int]]
    """Of each call, before and after."""


@dataclass(slots=True)
class Volume:
    """All results of one run."""

    messages: int
    machine: dict[str, str]
    made_seconds: float
    took_seconds: float
    wal_calls: int
    wal_bytes: dict[str, list[float]]
    calls: dict[str, Call]
    sizes: Sizes
    growth: Growth | None = None
    """From the last run that appended; None if none did."""

    def save(self, file: Path) -> None:
        """Write the results as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, file: Path) -> "Volume":
        """Read the results that `save` wrote."""
        raw: dict[str, Any] = json.loads(file.read_text())
        raw["calls"] = {name: Call(**call) for name, call in raw["calls"].items()}
        raw["sizes"] = Sizes.read(raw["sizes"])
        if raw["growth"]:
            sizes = {name: Sizes.read(raw["growth"][name]) for name in ("before", "at_once", "later")}
            raw["growth"] = Growth(**raw["growth"] | sizes)
        return cls(**raw)
