"""How long a read waits for a replica."""

from typing import Final

_FIRST_SECONDS: Final = 0.05
_SHORTEST_SECONDS: Final = 0.002
_LONGEST_SECONDS: Final = 1.0
_GAIN: Final = 1 / 8
_DEVIATION_GAIN: Final = 1 / 4
_DEVIATIONS: Final = 4


class Patience:
    """About as long as the answers to the same query usually take, as TCP judges round trips (RFC 6298)."""

    def __init__(self) -> None:
        self._usual: dict[str, tuple[float, float]] = {}

    def seconds(self, query: str) -> float:
        """Return how long to wait for the answer to the query of this name."""
        if query not in self._usual:
            return _FIRST_SECONDS
        mean, deviation = self._usual[query]
        return min(max(mean + _DEVIATIONS * deviation, _SHORTEST_SECONDS), _LONGEST_SECONDS)

    def learn(self, query: str, seconds: float) -> None:
        """Note how long an answer took."""
        mean, deviation = self._usual.get(query, (seconds, seconds / 2))
        deviation += _DEVIATION_GAIN * (abs(seconds - mean) - deviation)
        self._usual[query] = (mean + _GAIN * (seconds - mean), deviation)
