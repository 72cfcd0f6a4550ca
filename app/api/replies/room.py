"""How many replies may be in flight: in all, and of each user; the requests with one key count as one."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final
from uuid import UUID

from app.api.errors import TooManyOwnRepliesError, TooManyRepliesError
from app.api.settings import ApiSettings
from app.api.shares import Shares

Request = tuple[str, int, UUID]
"""The user, the conversation and the key: repeats have all three in common, and get one reply."""

_EVERYBODY: Final = "everybody"


class Room:
    """Counts the replies that are in flight or about to begin."""

    def __init__(self, settings: ApiSettings) -> None:
        self._places = Shares(settings.max_replies, TooManyRepliesError)
        self._users_places = Shares(settings.max_replies_per_user, TooManyOwnRepliesError)
        self._taken: dict[Request, ExitStack] = {}
        self._holders: Counter[Request] = Counter()

    @contextmanager
    def place(self, request: Request) -> Iterator[None]:
        """Hold the place of the request's reply; it is free once none of its repeats, nor the reply, holds it.

        Raises `TooManyOwnRepliesError` or `TooManyRepliesError`, unless another of them holds it already.
        """
        if request not in self._taken:
            self._taken[request] = self._take(user_id=request[0])
        self._holders[request] += 1
        try:
            yield
        finally:
            self._holders[request] -= 1
            if not self._holders[request]:
                del self._holders[request]
                self._taken.pop(request).close()

    def _take(self, user_id: str) -> ExitStack:
        with ExitStack() as places:
            places.enter_context(self._users_places.take(user_id))
            places.enter_context(self._places.take(_EVERYBODY))
            return places.pop_all()
