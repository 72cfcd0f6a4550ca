"""Who answers: anything that turns a history into pieces of text."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from app.db.models import MessageRead


class Assistant(Protocol):
    """What a reply asks; no connection is held while it thinks."""

    def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the answer to the last message of `history`, piece by piece."""
        ...


class EchoAssistant:
    """Says what it was told, word by word: an example, and the default."""

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the words of the last message, each with the space that follows it."""
        for word in re.split(r"(?<=\s)(?=\S)", history[-1].content):
            yield word
            await asyncio.sleep(0)  # a long answer must not keep others waiting
