"""Assistants for the tests, and their replies as a client sees them."""

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import httpx

from app.db.models import MessageRead


class Slow:
    """Sends ten words, one every 20 ms."""

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the numbers from 0 to 9."""
        for n in range(10):
            await asyncio.sleep(0.02)
            yield f"{n} "


WHOLE = "0 1 2 3 4 5 6 7 8 9 "


class Held:
    """Sends a word, and the other nine once it is told to."""

    def __init__(self) -> None:
        self._told = threading.Event()

    def go_on(self) -> None:
        """Let the rest be sent."""
        self._told.set()

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the numbers from 0 to 9."""
        yield "0 "
        while not self._is_told():  # noqa: ASYNC110 - another thread or process tells it
            await asyncio.sleep(0.01)
        for n in range(1, 10):
            yield f"{n} "

    def _is_told(self) -> bool:
        return self._told.is_set()


class HeldByFile(Held):
    """The same in a process of its own: told by a file."""

    VARIABLE: ClassVar[str] = "HELD_BY_FILE"

    def _is_told(self) -> bool:
        return Path(os.environ[self.VARIABLE]).exists()


class Broken:
    """Fails after one word."""

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield one word."""
        yield "well, "
        raise RuntimeError(f"no answer to {history[-1].content}")


class Unstorable:
    """Sends text that no text column accepts."""

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield a NUL."""
        yield "\0"


class Historian:
    """Replies with the history that it was given."""

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the history."""
        yield "|".join(f"{message.role}: {message.content}" for message in history)


async def new_conversation(client: httpx.AsyncClient) -> str:
    """Return the path of a new conversation."""
    return f"/conversations/{(await client.post('/conversations')).json()['id']}"


async def until_asked(client: httpx.AsyncClient, path: str) -> None:
    """Return once the user's message is stored, which is when the assistant starts."""
    while not (await client.get(f"{path}/messages")).json()["items"]:
        pass


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    """Return the name and data of each event."""
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
    return [(lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))) for lines in blocks]


class Talker:
    """Sends words for two seconds."""

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield 20 words."""
        for n in range(20):
            await asyncio.sleep(SPEAKING_SECONDS / 20)
            yield f"{n} "


SPEAKING_SECONDS = 2.0
ALL_OF_IT = "".join(f"{n} " for n in range(20))


class Chatty:
    """Sends a long text in pieces of two characters and never waits."""

    CHARACTERS: ClassVar[int] = 1_000_000

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield half as many pieces as there are characters."""
        for _piece in range(self.CHARACTERS // 2):
            yield "ab"


class Endless:
    """Never stops."""

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield one kilobyte after another."""
        while True:
            yield "x" * 1024
