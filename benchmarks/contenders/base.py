"""What each contender does."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

POOL_SIZE = 20
PAGE = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender works: a user of its own, with a task and a conversation."""

    user: str
    task: int
    conversation: int


class Contender(ABC):
    """One way to keep tasks and messages; every method returns what its library naturally gives."""

    how: ClassVar[str]
    """One line: how it is used, after its own documentation, and what cannot be done with it."""
    packages: ClassVar[tuple[str, ...]]
    """What its speed depends on, as the package index names it."""
    operations: ClassVar[tuple[str, ...]] = ("create", "get", "page", "update", "append", "latest", "delete", "turn")
    pooled: ClassVar[bool] = True
    """Whether many callers can share its connections."""

    @abstractmethod
    async def open(self, url: str, place: Place) -> None:
        """Be ready to work at `place`; `url` is libpq's."""

    @abstractmethod
    async def close(self) -> None:
        """Close every connection."""

    async def prepare(self) -> None:  # noqa: B027 - most have nothing to undo
        """Undo before a round what earlier rounds would make slower."""

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
        """Add a message to the conversation, which moves its `updated_at`."""

    @abstractmethod
    async def latest(self) -> Any:
        """Return the conversation's last 50 messages, the oldest of them first."""

    async def turn(self) -> Any:
        """Do what a chat does: keep the question, read what the model needs, keep the answer."""
        await self.append("user", QUESTION)
        await self.latest()
        return await self.append("assistant", ANSWER)


QUESTION = "Which of my tasks should I do first today, and why? " * 2
ANSWER = "Begin with the one that others wait for: it costs ten minutes and saves them a day. " * 5
