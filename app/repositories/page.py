"""One page of a list."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list.

    `next_cursor` goes where the page's own cursor went (`after`, or `before` when paging backwards), and is None
    when nothing more is there now. `end_cursor` is the place of the last item, also on the last page: poll for what
    comes later with ``after=page.end_cursor``. `start_cursor` is the place of the first item. A page without items
    keeps the cursor that it was asked for with.
    """

    items: list[Item]
    next_cursor: str | None
    start_cursor: str | None
    end_cursor: str | None

    @classmethod
    def of(
        cls,
        items: list[Item],
        cursor: Callable[[Item], str],
        *,
        more: bool,
        asked: str | None = None,
        backwards: bool = False,
    ) -> Self:
        """Return the page of `items`, read in its direction from the cursor `asked` on; `more` if more follow."""
        if not items:
            return cls([], None, asked if backwards else None, None if backwards else asked)
        first, last = cursor(items[0]), cursor(items[-1])
        if backwards:
            return cls(items[::-1], last if more else None, last, first)
        return cls(items, last if more else None, first, last)
