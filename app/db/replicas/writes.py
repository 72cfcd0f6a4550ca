"""Which user wrote what, as far as this process knows."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from app.db.replicas import tokens
from app.db.replicas.mark import Mark, Stamp
from app.db.target.settings import DatabaseSettings

_MOST_USERS: Final = 10_000
"""Beyond it one barrier replaces the marks of all users; of twice as many none is remembered."""
_IN_FLIGHT_SECONDS: Final = 60.0
"""How long a statement whose client has gone may at least still run on the primary."""

Marks = tuple[Mark, ...]
USER: Final = "p_user_id"
"""The parameter that says whose rows a query is about."""
EVERYBODY: Final = None
"""In place of a user: a write that may concern any of them."""


class Needed(NamedTuple):
    """What a replica must have for a read, and of which primary."""

    marks: Marks
    primary: int | None


class Writes:
    """The mark of each user who wrote lately, and a common one, the floor, for all other users.

    The floor begins as unknown: what was written before this process began is covered by its first barrier. So it is
    again after a failover: ids are those of one server, and another may not have had its last ones.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.ask_for_barrier: Callable[[], None] = _no_barrier
        """Called where reads wait for one; then `passed_barrier` must follow."""
        self._sticky_seconds = settings.replica_sticky_seconds
        self._in_flight_seconds = max(settings.command_timeout_seconds or 0.0, _IN_FLIGHT_SECONDS)
        self.server: int | None = None
        """The server that the ids of all marks are of; None before the first write or barrier."""
        self._marks: dict[str, Mark] = {}
        self._floor = Mark.doubtful(time.monotonic())

    def note(self, user_id: str | None, stamp: Stamp, *, began: float) -> None:
        """Note a write that began at `began` (monotonic); without a user everybody's reads must see it."""
        self._meet(stamp.server)
        mark = self._mark(user_id)
        self._keep(user_id, mark.then(stamp.xid, began=began) if mark else Mark((stamp.xid,), began=began))

    def doubt(self, user_id: str | None, *, in_flight: bool = False) -> None:
        """Note a write whose transaction is unknown; `in_flight`: it may still run, the connection broke."""
        self._doubt(user_id, self._in_flight_seconds if in_flight else 0.0)

    def needed(self, user_id: str) -> Needed | None:
        """Return what a replica must have for a read of the user; None if the read belongs on the primary."""
        now, mark = time.monotonic(), self._marks.get(user_id)
        marks = (self._floor, mark) if mark else (self._floor,)
        doubts = [each.settles for each in marks if each.settles is not None]
        if any(settles <= now for settles in doubts):
            self.ask_for_barrier()
        return None if doubts or any(now < each.not_before for each in marks) else Needed(marks, self.server)

    def passed_barrier(self, stamp: Stamp, *, began: float) -> None:
        """Replace what is unknown and ended before the barrier began by the barrier."""
        self._meet(stamp.server)
        xid = stamp.xid
        if len(self._marks) > _MOST_USERS:
            self._floor = self._after_barrier(self._floor, xid, began)
            self._marks = {user: mark for user, mark in self._marks.items() if _end(mark) > began}
        elif _settled(self._floor, began):
            self._floor = self._after_barrier(self._floor, xid, began)
        for user, mark in [(user, mark) for user, mark in self._marks.items() if _settled(mark, began)]:
            self._marks[user] = Mark((xid,), began=began)
            self._marks[user].covers = mark.covers

    def token(self, user_id: str) -> str:
        """Return the token of what the user must see."""
        mark, floor = self._marks.get(user_id), self._floor
        marks = [floor, mark] if mark else [floor]
        if mark and mark.settles is None and mark.began >= _end(floor):
            marks = [mark]  # committed after the floor
        settles = [each.settles for each in marks if each.settles is not None]
        if settles or self.server is None:
            return tokens.write_doubt(max(settles, default=0.0) - time.monotonic())
        return tokens.write(self.server, tuple(dict.fromkeys(xid for each in marks for xid in each.xids)))

    def accept(self, user_id: str, token: str) -> None:
        """Have the user's reads see what the token says; raises `InvalidInputError` if it is malformed."""
        server, xids, doubt_seconds = tokens.read(token)
        mark = self._marks.get(user_id)
        if doubt_seconds is not None:
            self._doubt(user_id, doubt_seconds)
        elif server != self.server:
            if mark is None or mark.covers != server:
                self._doubt(user_id, 0.0, covers=server)
        elif not set(xids) <= {xid for each in (self._floor, mark) if each for xid in each.xids}:
            self._keep(user_id, mark.joined(xids) if mark else Mark(xids, began=float("-inf")))

    def _meet(self, server: int) -> None:
        """Trust no id that was noted, where another server answers: it may have lost it, or given it anew."""
        if self.server not in (None, server):
            now = time.monotonic()
            self._floor = _doubted(self._floor, now)
            self._marks = {user: _doubted(mark, now) for user, mark in self._marks.items()}
        self.server = server

    def _doubt(self, user_id: str | None, seconds: float, *, covers: int | None = None) -> None:
        mark, settles = self._mark(user_id), time.monotonic() + seconds
        doubted = _doubted(mark, settles) if mark else Mark.doubtful(settles)
        doubted.covers = covers
        self._keep(user_id, doubted)

    def _mark(self, user_id: str | None) -> Mark | None:
        return self._floor if user_id is None else self._marks.get(user_id)

    def _keep(self, user_id: str | None, mark: Mark) -> None:
        if user_id is None:
            self._floor = mark
            return
        mark.not_before = time.monotonic() + self._sticky_seconds
        self._marks[user_id] = mark
        if len(self._marks) > 2 * _MOST_USERS:  # the primary does not answer
            self._marks.clear()
            self.doubt(EVERYBODY)
        elif len(self._marks) > _MOST_USERS:
            self.ask_for_barrier()

    @staticmethod
    def _after_barrier(floor: Mark, xid: int, began: float) -> Mark:
        return Mark((xid,), began=began) if _end(floor) <= began else floor.then(xid, began=began)


def _no_barrier() -> None:
    """Ask nobody: there are no reads before there are replicas."""


def _doubted(mark: Mark, settles: float) -> Mark:
    """Return the mark with further writes whose ids are unknown, which have ended by the time `settles`."""
    return Mark.doubtful(settles if mark.settles is None else max(mark.settles, settles))


def _end(mark: Mark) -> float:
    """Return the time from which on a barrier covers the mark."""
    return mark.acknowledged if mark.settles is None else mark.settles


def _settled(mark: Mark, began: float) -> bool:
    return mark.settles is not None and mark.settles <= began
