"""The assistant: anything that turns a history into pieces of text."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from app.db.models import MessageRead


class Assistant(Protocol):
    """What a reply calls; no connection is held while it works."""

    def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the answer to the last message of `history`, piece by piece."""
        ...


class EchoAssistant:
    """Repeats the last message word by word: an example, and the default."""

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the words of the last message, each with the space that follows it."""
        for word in re.finditer(r"\s*\S+\s*|\s+", history[-1].content):
            yield word[0]
