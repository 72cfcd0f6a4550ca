"""A share for each user of what users compete for."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from app.api.errors import ApiError


class Shares:
    """Counts what each user holds, and refuses more than `limit`."""

    def __init__(self, limit: int, error: type[ApiError]) -> None:
        self._limit = limit
        self._error = error
        self._held: Counter[str] = Counter()

    def take(self, user_id: str | None) -> AbstractContextManager[None]:
        """Return a place of this user, given back at the end of its block; raises the error if there is none."""
        if user_id is None:
            return nullcontext()
        if self._held[user_id] >= self._limit:
            raise self._error
        self._held[user_id] += 1
        return self._place(user_id)

    @contextmanager
    def _place(self, user_id: str) -> Iterator[None]:
        try:
            yield
        finally:
            self._held[user_id] -= 1
            if not self._held[user_id]:
                del self._held[user_id]
