"""Measure a large table, and write the figures of docs/scale.md: `python -m benchmarks.volume`.

The table is made once, and kept. `make bench` does the same but for the many appends, whose figures stay those of the
last run that made them.
"""

import argparse
from pathlib import Path

import uvloop

from benchmarks.clock import Clock
from benchmarks.terminal import telling
from benchmarks.volume.kept import MESSAGES, Kept
from benchmarks.volume.measuring import CALLS, measure
from benchmarks.volume.results import Volume
from benchmarks.volume.section import write_figures

_ROOT = Path(__file__).parents[2]


def main() -> None:
    """Make the table if it is not there, measure, and write; other sizes than the usual are only printed."""
    parser = argparse.ArgumentParser(prog="benchmarks.volume", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--appends", type=int, default=500_000, help="a few minutes; 0 for none")
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args()
    kept = Kept(options.messages)
    made_seconds = uvloop.run(kept.make())
    with telling(Clock({})) as teller:
        found: Volume = uvloop.run(
            measure(kept, made_seconds=made_seconds, calls=options.calls, appends=options.appends, progress=teller)
        )
    if options.messages == MESSAGES:
        write_figures(found, _ROOT)
    else:
        print(found)


if __name__ == "__main__":
    main()
