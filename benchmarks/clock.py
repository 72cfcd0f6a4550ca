"""How long a run has taken, and how long it will take, by what each chapter took in the last run."""

import time
from collections.abc import Callable, Mapping


class Clock:
    """The seconds of each chapter; `expected` are those of an earlier run, or nothing if there is none like it."""

    def __init__(self, expected: Mapping[str, float], *, now: Callable[[], float] = time.monotonic) -> None:
        self._expected = expected
        self._now = now
        self._began = self._entered = now()
        self._closed: dict[str, float] = {}
        self.chapter = ""

    @property
    def seconds(self) -> float:
        """Return the seconds since the start."""
        return self._now() - self._began

    def enter(self, chapter: str) -> bool:
        """Begin a chapter, which ends the one before; return whether it is another."""
        if chapter == self.chapter:
            return False
        if self.chapter:
            self._closed = self.chapters()
        self.chapter, self._entered = chapter, self._now()
        return True

    def chapters(self) -> dict[str, float]:
        """Return the seconds of each chapter so far."""
        spent = self._closed.get(self.chapter, 0.0) + self._now() - self._entered
        return self._closed | {self.chapter: spent}

    def seconds_left(self) -> float | None:
        """Return the seconds that remain at the pace of this run so far, or None if nothing is known."""
        if not self._expected:
            return None
        spent = self.chapters()
        known = {name: seconds for name, seconds in self._closed.items() if name in self._expected}
        pace = sum(known.values()) / sum(self._expected[name] for name in known) if known else 1.0
        now = max(0.0, self._expected.get(self.chapter, 0.0) * pace - spent[self.chapter])
        return now + pace * sum(seconds for name, seconds in self._expected.items() if name not in spent)

    def __str__(self) -> str:
        """Return the time taken and left, for the progress."""
        left = self.seconds_left()
        return f"{self.seconds:4.0f} s" + ("" if left is None else f", about {left:3.0f} s left")
