"""What a read must see."""

import math
import time
from typing import Any, Final, NamedTuple, Self
from weakref import WeakSet

MOST_XIDS: Final = 8
"""A mark of more transactions than this is replaced by one barrier."""

_AGAIN_SECONDS: Final = 0.05


class Stamp(NamedTuple):
    """A transaction, and the server that it ran on: another server's transactions have the same ids."""

    xid: int
    server: int


class Mark:
    """The transactions that reads of a user must see, and whether there may be others whose ids are unknown."""

    __slots__ = ("_proven", "acknowledged", "began", "covers", "not_before", "settles", "xids")

    def __init__(self, xids: tuple[int, ...], *, began: float, settles: float | None = None) -> None:
        self.xids = xids
        self.began = began
        """What was acknowledged before this time was committed before each of `xids`."""
        self.acknowledged = time.monotonic()
        self.settles = time.monotonic() if settles is None and len(xids) > MOST_XIDS else settles
        """From this time on a barrier comes after every write of the mark; None if `xids` are all of them."""
        self.not_before = 0.0
        """Until this time a replica is not worth asking."""
        self.covers: int | None = None
        """Another server, of which a token has told: whatever the user wrote there is in the mark, too."""
        self._proven: WeakSet[Any] | None = None

    @classmethod
    def doubtful(cls, settles: float) -> Self:
        """Return a mark of writes without ids, which have ended by the time `settles`."""
        return cls((), began=-math.inf, settles=settles)

    def then(self, xid: int, *, began: float) -> "Mark":
        """Return the mark after another write, which began at `began` and has been acknowledged."""
        if self.settles is not None:
            return Mark.doubtful(max(self.settles, time.monotonic()))
        if began >= self.acknowledged:  # sent after the others' answers, so committed after them
            return Mark((xid,), began=began)
        return Mark(tuple(dict.fromkeys((*self.xids, xid))), began=max(self.began, began))

    def joined(self, xids: tuple[int, ...]) -> "Mark":
        """Return the mark with further transactions, of which nothing else is known."""
        if self.settles is not None:
            return Mark.doubtful(max(self.settles, time.monotonic()))
        return Mark(tuple(dict.fromkeys((*self.xids, *xids))), began=self.began)

    def was_behind(self) -> None:
        """Have the reads go straight to the primary for a moment."""
        self.not_before = max(self.not_before, time.monotonic() + _AGAIN_SECONDS)

    def prove(self, driver: Any) -> None:
        """Remember that the server of this connection has applied every one of `xids`."""
        self._proven = self._proven or WeakSet()
        self._proven.add(driver)

    def unproven(self, driver: Any) -> tuple[int, ...]:
        """Return the transactions about which a read on this connection must ask."""
        return () if self._proven is not None and driver in self._proven else self.xids
