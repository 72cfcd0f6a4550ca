"""What of a conversation a model is shown: as many messages as fit its context, decided by the server."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from app.db.errors import InvalidInputError
from app.db.models import Message, Role
from app.db.models.base import table_of
from app.repositories.budget import PAGE_BYTES, measured_rows
from app.repositories.checks import checked_limit
from app.repositories.columns import P_LIMIT
from app.repositories.order import newest_first

_message: Final = table_of(Message)
MAX_CHARACTERS: Final = PAGE_BYTES // 4
"""The most that a history may be bounded to: so many characters never exceed the budget in bytes."""

_P_CHARACTERS: Final[sa.BindParameter[int]] = sa.bindparam("p_characters", type_=sa.BigInteger())
_P_ALWAYS: Final[sa.BindParameter[int]] = sa.bindparam("p_always", type_=sa.BigInteger())


def within_context(columns: Sequence[sa.Label[Any]], rows: sa.Select[Any]) -> sa.Select[Any]:
    """Return the newest of `rows`, up to the limit, which is one less than sent, and the characters; the newest first.

    A turn is not cut: the oldest of them is a user's message, or the first of the conversation. The first `p_always`
    come in any case.
    """
    measured = measured_rows(_message, rows, newest_first, sa.func.char_length(_message.c.content).label("characters"))
    fits = sa.and_(measured.c.place < P_LIMIT, measured.c.total <= _P_CHARACTERS)
    begins = sa.func.bool_or(sa.and_(fits, _begins_a_turn(measured.c)))
    whole = begins.over(order_by=newest_first(measured.c), rows=(0, None)).label("whole")
    turns = sa.select(*measured.c, whole).subquery("turns")
    page = [turns.c[column.name] for column in columns]
    return sa.select(*page).where(sa.or_(turns.c.whole, turns.c.place <= _P_ALWAYS)).order_by(*newest_first(turns.c))


class Extent:
    """How much of a conversation is read: at most `limit` messages, of `max_characters` together if that is given."""

    __slots__ = ("limit", "max_characters")

    def __init__(self, limit: int, max_characters: int | None = None) -> None:
        self.limit = checked_limit(limit)
        if max_characters is not None and not (type(max_characters) is int and 1 <= max_characters <= MAX_CHARACTERS):
            raise InvalidInputError(f"max_characters must be between 1 and {MAX_CHARACTERS:,}")
        self.max_characters = max_characters

    @property
    def is_bounded(self) -> bool:
        """Whether the characters count."""
        return self.max_characters is not None

    def last(self) -> dict[str, int]:
        """Return the parameters for the last messages; the last one comes in any case."""
        return self._parameters(self.limit, always=1)

    def before(self, content: str) -> dict[str, int]:
        """Return the parameters for those before a message with this content, which counts too."""
        return self._parameters(self.limit - 1, taken=len(content))

    def _parameters(self, limit: int, *, taken: int = 0, always: int = 0) -> dict[str, int]:
        bounds = {"p_limit": limit + 1}
        if self.max_characters is not None:
            bounds |= {"p_characters": self.max_characters - taken, "p_always": always}
        return bounds


def _begins_a_turn(columns: Any) -> sa.ColumnElement[bool]:
    question = sa.cast(columns.role, sa.Text()) == sa.cast(sa.literal_column(f"'{Role.USER.value}'"), sa.Text())
    return sa.or_(question, columns.next.is_(None))
