"""Many rows in steps of a bounded size."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def chunks_of(
    items: Iterable[Item], size_of: Callable[[Item], int], *, most_items: int, most_size: int
) -> Iterator[list[Item]]:
    """Yield the items in lists within both limits; one that is larger alone comes alone."""
    chunk: list[Item] = []
    total = 0
    for item in items:
        size = size_of(item)
        if chunk and (len(chunk) == most_items or total + size > most_size):
            yield chunk
            chunk, total = [], 0
        chunk.append(item)
        total += size
    if chunk:
        yield chunk
