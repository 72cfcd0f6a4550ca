"""The README's sentences with figures, written from a run's results."""

import re
import textwrap
from typing import Final

from benchmarks.contenders import BASELINE, NO_RESET, OURS, SESSION_WITH_PING, TUNED_SESSION
from benchmarks.results import OPERATIONS, Results

_BETWEEN: Final = re.compile(r"(?<=<!-- written by make bench -->\n).*?(?=<!-- until here -->)", re.DOTALL)


def with_figures(readme: str, results: Results) -> str:
    """Return the README with the sentences of this run."""
    text, times = _BETWEEN.subn(lambda _: _sentences(results), readme)
    if times != 1:
        raise ValueError("The README has no place for the figures of the benchmarks.")
    return text


def _sentences(results: Results) -> str:
    text = (
        f"Without delay in the network a call takes {_range(results, BASELINE)} the time of one on asyncpg's pool with "
        f"its defaults, {results.mean_ratio(OURS, 0):.2f}x on average, and with 5 ms of delay "
        f"{results.mean_ratio(OURS, 5):.2f}x. Compared with a pool that sends nothing but the statement, and "
        f"returns bare Records, it takes {_range(results, NO_RESET)}. A SQLModel session with `pool_pre_ping` takes "
        f"{_range(results, OURS, of=SESSION_WITH_PING)} the time of this layer, a tuned one "
        f"{_range(results, OURS, of=TUNED_SESSION)}."
    )
    return textwrap.fill(text, 120) + "\n"


def _range(results: Results, to: str, *, of: str = OURS) -> str:
    ratios = [ratio for each in OPERATIONS if (ratio := results.ratio(of, each, 0, to=to))]
    digits = 1 if min(ratios) > 3 else 2
    return f"{min(ratios):.{digits}f} to {max(ratios):.{digits}f}x"
