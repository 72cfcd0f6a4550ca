"""The replies in flight."""

import asyncio
import logging
from contextlib import ExitStack
from functools import partial
from typing import Final
from uuid import UUID, uuid4, uuid5

from app.api.assistant import Assistant
from app.api.errors import UnfinishedReplyError
from app.api.replies.reply import Reply, Transcript, Work
from app.api.replies.room import Room
from app.api.settings import ApiSettings
from app.db.errors import ConflictError
from app.db.models import MessageCreate, MessageRead, Role
from app.repositories import AppendedOnce, MessageRepo

_log = logging.getLogger(__name__)
_TURN_SECONDS: Final = 0.005


class Replies:
    """Starts replies, knows those in flight, and waits for them at the end. No connection is held between calls."""

    def __init__(self, assistant: Assistant, messages: MessageRepo, settings: ApiSettings) -> None:
        self._assistant = assistant
        self._messages = messages
        self._settings = settings
        self._in_flight: dict[int, Reply] = {}
        self._room = Room(settings)

    async def start(
        self, user_id: str, conversation_id: int, data: MessageCreate, *, idempotency_key: UUID | None = None
    ) -> Reply:
        """Append the user's message and return the reply to it; with the same key it is the same message and reply.

        Raises `TooManyOwnRepliesError`, `TooManyRepliesError`, or what `MessageRepo.append` does.
        """
        key = idempotency_key or uuid4()  # with a key, a call whose outcome is unknown is retried
        with ExitStack() as place:
            place.enter_context(self._room.place((user_id, conversation_id, key)))
            appended = await self._messages.append_once_with_history(
                user_id,
                conversation_id,
                data,
                key,
                limit=self._settings.history_messages,
                max_characters=self._settings.history_characters,
            )
            question = appended.history[-1]
            # No await from here on: two requests with one key must not both find that nothing is in flight.
            if question.id not in self._in_flight:
                work = partial(self._answer, appended, uuid5(key, "answer"))
                self._in_flight[question.id] = self._begin(question, work, place.pop_all())
            return self._in_flight[question.id]

    def _begin(self, question: MessageRead, work: Work, place: ExitStack) -> Reply:
        reply = Reply(work, max_characters=self._settings.max_reply_characters)
        reply.task.add_done_callback(partial(self._ended, question.id, place))
        return reply

    async def _answer(self, appended: AppendedOnce, key: UUID, transcript: Transcript) -> MessageRead:
        """Return the answer that was stored with `key` before, or a new one, stored with it."""
        question = appended.history[-1]
        stored = None if appended.is_new else await self._messages.appended_with(question.user_id, key)
        if stored:
            transcript.repeat(stored.content)
            return stored
        return await self._store(question, await self._ask(appended.history, transcript), key)

    async def _ask(self, history: list[MessageRead], transcript: Transcript) -> MessageCreate:
        loop = asyncio.get_running_loop()
        turn_ends = loop.time() + _TURN_SECONDS
        try:
            async with asyncio.timeout(self._settings.reply_timeout_seconds):
                async for piece in self._assistant.answer(history):
                    transcript.say(piece)
                    if loop.time() > turn_ends:  # an assistant that never waits must not keep others waiting
                        await asyncio.sleep(0)
                        turn_ends = loop.time() + _TURN_SECONDS
            return MessageCreate(role=Role.ASSISTANT, content=transcript.since(0))
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

    def _ended(self, question_id: int, place: ExitStack, task: asyncio.Task[MessageRead]) -> None:
        del self._in_flight[question_id]
        place.close()
        if task.cancelled():
            _log.error("the answer to message %d is lost: the service ended before it was finished", question_id)
        elif error := task.exception():
            _log.error("the answer to message %d was not stored", question_id, exc_info=error)

    async def finish(self) -> None:
        """Wait until every reply in flight is stored, and give up those that take too long."""
        tasks = [reply.task for reply in self._in_flight.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._settings.shutdown_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
