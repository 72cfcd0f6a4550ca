"""Whether a replica is worth asking."""

import logging
import time
from typing import Final

_log = logging.getLogger(__name__)
_ALONE_SECONDS: Final = 1.0


class Standing:
    """A replica is not trusted at first; after trouble it is left alone for a second, and then to be checked."""

    def __init__(self, place: str) -> None:
        self.is_trusted = False
        self.last_error: str | None = None
        """Why it was last left alone; None once it has answered a check."""
        self._place = place
        self._alone_until = 0.0

    @property
    def is_left_alone(self) -> bool:
        """Whether it is not even to be checked."""
        return time.monotonic() < self._alone_until

    def lose(self, why: str) -> None:
        """Leave the replica alone."""
        if self.is_trusted or self.last_error is None:
            _log.warning("the primary reads in place of the replica %s: %s", self._place, why)
        self.is_trusted, self.last_error = False, why
        self._alone_until = time.monotonic() + _ALONE_SECONDS

    def gain(self) -> None:
        """Trust the replica, which has answered."""
        if self.last_error is not None:
            _log.info("the replica %s answers", self._place)
        self.is_trusted, self.last_error = True, None
