"""What each contender can do."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

POOL_SIZE = 20
PAGE = 50


@dataclass(frozen=True, slots=True)
class Place:
    """The rows of one contender: its own user, with a task and a conversation."""

    user: str
    task: int
    conversation: int


class Contender(ABC):
    """One way to keep tasks and messages; every method returns what its library naturally returns."""

    how: ClassVar[str]
    """One line: how its documentation uses it, and what it cannot do."""
    packages: ClassVar[tuple[str, ...]]
    """The packages that its speed depends on, by their names in the package index."""
    operations: ClassVar[tuple[str, ...]] = ("create", "get", "page", "update", "append", "latest", "delete", "turn")
    pooled: ClassVar[bool] = True
    """Whether many callers can share its connections."""

    @abstractmethod
    async def open(self, url: str, place: Place) -> None:
        """Prepare to work at `place`; `url` is a libpq URL."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""

    async def prepare(self) -> None:  # noqa: B027 - most have nothing to undo
        """Undo, before a round, effects of earlier rounds that would slow it down."""

    async def create(self, title: str) -> Any:
        """Add a task and return it."""
        raise NotImplementedError

    async def get(self, task: int) -> Any:
        """Return a task of the user."""
        raise NotImplementedError

    async def page(self) -> Any:
        """Return the user's 50 newest tasks."""
        raise NotImplementedError

    async def update(self, task: int, title: str) -> Any:
        """Give a task another title and return it."""
        raise NotImplementedError

    async def delete(self, task: int) -> Any:
        """Delete a task of the user."""
        raise NotImplementedError

    @abstractmethod
    async def append(self, role: str, content: str) -> Any:
        """Add a message to the conversation and update its `updated_at`."""

    @abstractmethod
    async def latest(self) -> Any:
        """Return the conversation's last 50 messages, oldest first."""

    async def turn(self) -> Any:
        """Run one turn of a chat: store the question, read what the model needs, store the answer."""
        await self.append("user", QUESTION)
        await self.latest()
        return await self.append("assistant", ANSWER)


QUESTION = "Which of my tasks should I do first today, and why? " * 2
ANSWER = "Begin with the one that others wait for: it costs ten minutes and saves them a day. " * 5
