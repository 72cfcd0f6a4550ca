"""Answers in the making: streamed to who listens, stored whole also when nobody does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4, uuid5

from app.api.assistant import Assistant
from app.api.errors import UnfinishedReplyError
from app.api.settings import ApiSettings
from app.db.models import MessageCreate, MessageRead, Role
from app.repositories import MessageRepo

_log = logging.getLogger(__name__)
Store = Callable[[MessageCreate], Awaitable[MessageRead]]


class Reply:
    """One answer: a task of its own, which goes on when its readers go. Any number of clients may read it."""

    def __init__(self, pieces: AsyncIterator[str], store: Store, *, timeout_seconds: float) -> None:
        self._pieces: list[str] = []
        self._news = asyncio.Event()
        self.task = asyncio.create_task(self._run(pieces, store, timeout_seconds))
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

    async def _run(self, pieces: AsyncIterator[str], store: Store, timeout_seconds: float) -> MessageRead:
        try:
            async with asyncio.timeout(timeout_seconds):
                async for piece in pieces:
                    self._pieces.append(piece)
                    self._wake()
            answer = MessageCreate(role=Role.ASSISTANT, content="".join(self._pieces))
        except Exception as error:  # an assistant may raise anything, and say what cannot be stored
            raise UnfinishedReplyError from error
        return await store(answer)

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

    async def start(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> Reply:
        """Append the user's message and return the answer to it; with the same key it is the same message and answer.

        Raises `MissingReferenceError`.
        """
        key = idempotency_key or uuid4()  # an answer that cannot be doubled can be stored again and again
        question = await self._messages.append(user_id, conversation_id, data, idempotency_key=key)
        limit = self._settings.history_messages
        latest = await self._messages.latest(user_id, conversation_id, limit=limit)
        # No await from here on: two requests with one key must not both find that nothing runs.
        if question.id not in self._running:
            answered = _answer_to(question, latest) if idempotency_key else None
            self._running[question.id] = self._begin(question, latest, answered, key)
        return self._running[question.id]

    def _begin(
        self, question: MessageRead, latest: list[MessageRead], answered: MessageRead | None, key: UUID
    ) -> Reply:
        history = [*(message for message in latest if message.id < question.id), question]

        async def store(answer: MessageCreate) -> MessageRead:
            return answered or await self._messages.append(
                question.user_id, question.conversation_id, answer, idempotency_key=uuid5(key, "answer")
            )

        pieces = _said(answered) if answered else self._assistant.answer(history)
        reply = Reply(pieces, store, timeout_seconds=self._settings.reply_timeout_seconds)
        reply.task.add_done_callback(lambda task: self._ended(question.id, task))
        return reply

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


def _answer_to(question: MessageRead, latest: list[MessageRead]) -> MessageRead | None:
    """Return what the assistant said next after the question: its answer, where people ask one thing at a time."""
    later = (message for message in latest if message.id > question.id and message.role is Role.ASSISTANT)
    return next(later, None)


async def _said(answer: MessageRead) -> AsyncIterator[str]:
    yield answer.content
