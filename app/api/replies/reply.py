"""One reply while it is in flight."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from io import SEEK_END, StringIO
from typing import Any, Final

from app.db.models import MessageRead

Work = Callable[["Transcript"], Coroutine[Any, Any, MessageRead]]
_BETWEEN_PIECES_SECONDS: Final = 0.02  # 50 events a second look fluent, however small the assistant's pieces are
_SILENCE_SECONDS: Final = 15.0  # proxies close a stream that says nothing for a minute


class Transcript:
    """The text of a reply as it grows, kept once, at most `max_characters` long."""

    def __init__(self, max_characters: int) -> None:
        self._buffer = StringIO()
        self._left = max_characters
        self.news = asyncio.Event()

    def say(self, piece: str) -> None:
        """Add a piece; raises `ValueError` when the text becomes too long."""
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError("the assistant said more than API_MAX_REPLY_CHARACTERS")
        self.repeat(piece)

    def repeat(self, stored: str) -> None:
        """Add what is stored already, however long it is."""
        self._buffer.seek(0, SEEK_END)
        self._buffer.write(stored)
        self.wake()

    def since(self, position: int) -> str:
        """Return what was said after `position` characters."""
        self._buffer.seek(position)
        return self._buffer.read()

    def wake(self) -> None:
        """Have every reader look again."""
        self.news.set()
        self.news = asyncio.Event()


class Reply:
    """One reply: a task of its own, which goes on when its readers leave. Any number of clients may read it."""

    def __init__(self, work: Work, *, max_characters: int) -> None:
        self._transcript = Transcript(max_characters)
        self.task = asyncio.create_task(work(self._transcript))
        self.task.add_done_callback(lambda _: self._transcript.wake())

    async def read(self) -> AsyncIterator[str]:
        """Yield the text from its beginning, as it comes and joined, until the reply is stored or has failed.

        After 15 seconds of silence the piece is empty.
        """
        read = 0
        while True:
            ended, news = self.task.done(), self._transcript.news
            if piece := self._transcript.since(read):
                read += len(piece)
                yield piece
            if ended:
                return
            if piece:
                await asyncio.wait((self.task,), timeout=_BETWEEN_PIECES_SECONDS)
            elif not await _set_within(news, _SILENCE_SECONDS):
                yield ""

    async def stored(self) -> MessageRead:
        """Return the reply as stored; raises `UnfinishedReplyError`, or a `DataAccessError` if it could not be."""
        return await asyncio.shield(self.task)


async def _set_within(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await news.wait()
    except TimeoutError:
        return False
