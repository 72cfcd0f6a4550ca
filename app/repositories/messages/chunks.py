"""How many messages go into one statement."""

from collections.abc import Iterator, Sequence
from typing import Final

from app.db.models import MessageCreate

_CHUNK_ROWS: Final = 10_000
_CHUNK_CHARACTERS: Final = 8_000_000


def chunks_of(data: Sequence[MessageCreate]) -> Iterator[Sequence[MessageCreate]]:
    """Yield `data` in parts of at most 10,000 messages or 8 million characters."""
    chunk: list[MessageCreate] = []
    characters = 0
    for message in data:
        full = len(chunk) == _CHUNK_ROWS or characters + len(message.content) > _CHUNK_CHARACTERS
        if chunk and full:
            yield chunk
            chunk, characters = [], 0
        chunk.append(message)
        characters += len(message.content)
    if chunk:
        yield chunk
