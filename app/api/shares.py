"""A share for each user of what users compete for."""

from collections import Counter

from app.api.errors import ApiError


class Shares:
    """Counts what each user holds, and refuses more than `limit`."""

    def __init__(self, limit: int, error: type[ApiError]) -> None:
        self._limit = limit
        self._error = error
        self._held: Counter[str] = Counter()

    def take(self, user_id: str) -> "Place":
        """Return a place of this user, to be given back or used as a block; raises the error if there is none."""
        held = self._held.get(user_id, 0)
        if held >= self._limit:
            raise self._error
        self._held[user_id] = held + 1
        return Place(self._held, user_id)


class Place:
    """One of a user's places, to be given back once."""

    __slots__ = ("_held", "_user_id")

    def __init__(self, held: Counter[str], user_id: str) -> None:
        self._held = held
        self._user_id = user_id

    def __enter__(self) -> None:
        """Hold it."""

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self.give_back()

    def give_back(self) -> None:
        """Let another request have it."""
        self._held[self._user_id] -= 1
        if not self._held[self._user_id]:
            del self._held[self._user_id]
