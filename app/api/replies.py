"""Answers in the making: streamed to who listens, stored whole also when nobody does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any
from uuid import UUID, uuid4, uuid5

from app.api.assistant import Assistant
from app.api.errors import TooManyRepliesError, UnfinishedReplyError
from app.api.settings import ApiSettings
from app.db.errors import ConflictError
from app.db.models import MessageCreate, MessageRead, Role
from app.repositories import MessageRepo

_log = logging.getLogger(__name__)
Say = Callable[[str], None]
Work = Callable[[Say], Coroutine[Any, Any, MessageRead]]


class Reply:
    """One answer: a task of its own, which goes on when its readers go. Any number of clients may read it."""

    def __init__(self, work: Work) -> None:
        self._pieces: list[str] = []
        self._news = asyncio.Event()
        self.task = asyncio.create_task(work(self._say))
        self.task.add_done_callback(lambda _: self._wake())

    async def read(self) -> AsyncIterator[str]:
        """Yield the pieces from the first one on, as they come, until the answer is stored or has failed."""
        read = 0
        while True:
            ended, news = self.task.done(), self._news
            for piece in self._pieces[read:]:
                read += 1
                yield piece
            if ended:
                return
            await news.wait()

    async def stored(self) -> MessageRead:
        """Return the answer as stored; raises `UnfinishedReplyError`, or a `DataAccessError` if it could not be."""
        return await asyncio.shield(self.task)

    def _say(self, piece: str) -> None:
        self._pieces.append(piece)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Replies:
    """Starts answers, knows those that run, and waits for them at the end. No connection is held between calls."""

    def __init__(self, assistant: Assistant, messages: MessageRepo, settings: ApiSettings) -> None:
        self._assistant = assistant
        self._messages = messages
        self._settings = settings
        self._running: dict[int, Reply] = {}
        self._starting = 0

    async def start(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> Reply:
        """Append the user's message and return the answer to it; with the same key it is the same message and answer.

        Raises `TooManyRepliesError`, or what `MessageRepo.append` does.
        """
        if len(self._running) + self._starting >= self._settings.max_replies:
            raise TooManyRepliesError
        key = idempotency_key or uuid4()  # an answer that cannot be doubled can be stored again and again
        self._starting += 1
        try:
            question = await self._messages.append(user_id, conversation_id, data, idempotency_key=key)
        finally:
            self._starting -= 1
        # No await from here on: two requests with one key must not both find that nothing runs.
        if question.id not in self._running:
            self._running[question.id] = self._begin(question, uuid5(key, "answer"))
        return self._running[question.id]

    def _begin(self, question: MessageRead, answer_key: UUID) -> Reply:
        reply = Reply(partial(self._answer, question, answer_key))
        reply.task.add_done_callback(partial(self._ended, question.id))
        return reply

    async def _answer(self, question: MessageRead, key: UUID, say: Say) -> MessageRead:
        """Return the answer that was stored with `key` before, or a new one, stored with it."""
        stored = await self._messages.appended_with(question.user_id, key)
        if stored:
            say(stored.content)
            return stored
        latest = await self._messages.latest(
            question.user_id, question.conversation_id, limit=self._settings.history_messages
        )
        history = [*(message for message in latest if message.id < question.id), question]
        return await self._store(question, await self._ask(history, say), key)

    async def _ask(self, history: list[MessageRead], say: Say) -> MessageCreate:
        pieces: list[str] = []
        try:
            async with asyncio.timeout(self._settings.reply_timeout_seconds):
                async for piece in self._assistant.answer(history):
                    pieces.append(piece)
                    say(piece)
            return MessageCreate(role=Role.ASSISTANT, content="".join(pieces))
        except Exception as error:  # an assistant may raise anything, and say what cannot be stored
            raise UnfinishedReplyError from error

    async def _store(self, question: MessageRead, answer: MessageCreate, key: UUID) -> MessageRead:
        place = (question.user_id, question.conversation_id)
        try:
            return await self._messages.append(*place, answer, idempotency_key=key)
        except ConflictError:  # another process has answered the same request: the first answer is the answer
            stored = await self._messages.appended_with(question.user_id, key)
            if stored is None:
                raise
            return stored

    def _ended(self, question_id: int, task: "asyncio.Task[MessageRead]") -> None:
        del self._running[question_id]
        if task.cancelled():
            _log.error("the answer to message %d is lost: the service ended before it was finished", question_id)
        elif error := task.exception():
            _log.error("the answer to message %d was not stored", question_id, exc_info=error)

    async def finish(self) -> None:
        """Wait until every answer that was started is stored, and give up on those that take too long."""
        tasks = [reply.task for reply in self._running.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._settings.shutdown_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
