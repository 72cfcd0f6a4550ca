"""What of a conversation a model is shown: as many messages as fit its context, decided by the server."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from app.db.errors import InvalidInputError
from app.db.models import Message, Role
from app.db.models.base import BYTES_PER_CHARACTER, table_of
from app.repositories.budget import PAGE_BYTES, measured_rows
from app.repositories.checks import checked_limit
from app.repositories.columns import P_LIMIT
from app.repositories.order import newest_first

_message: Final = table_of(Message)
MAX_CHARACTERS: Final = PAGE_BYTES // BYTES_PER_CHARACTER
"""The most that a history may be bounded to: so many characters never exceed the budget in bytes."""

_P_CHARACTERS: Final[sa.BindParameter[int]] = sa.bindparam("p_characters", type_=sa.BigInteger())
_P_BYTES: Final[sa.BindParameter[int]] = sa.bindparam("p_bytes_left", type_=sa.BigInteger())
_P_ALWAYS: Final[sa.BindParameter[bool]] = sa.bindparam("p_always", type_=sa.Boolean())
"""Whether the newest comes in any case."""


def within_bytes(columns: Sequence[sa.Label[Any]], rows: sa.Select[Any]) -> sa.Select[Any]:
    """Return the newest of `rows`, up to the limit, which is one less than sent, and the bytes; the newest first.

    No row beyond the limit is read, and none is asked what follows it.
    """
    newest = rows.order_by(*newest_first(_message.c)).limit(P_LIMIT - sa.literal_column("1"))
    found = newest.add_columns(_bytes()).subquery("found")
    before = sa.func.sum(found.c.bytes).over(order_by=newest_first(found.c), rows=(None, -1)).label("before")
    measured = sa.select(*found.c, before).subquery("measured")
    total = sa.func.coalesce(measured.c.before, sa.literal_column("0")) + measured.c.bytes
    comes = sa.or_(total <= _P_BYTES, sa.and_(measured.c.before.is_(None), _P_ALWAYS))
    page = [measured.c[column.name] for column in columns]
    return sa.select(*page).where(comes).order_by(*newest_first(measured.c))


def within_context(columns: Sequence[sa.Label[Any]], rows: sa.Select[Any]) -> sa.Select[Any]:
    """Return the newest of `rows`, up to the limit, which is one less than sent, and the characters; the newest first.

    A turn is not cut: the oldest of them is a user's message, or the first of the conversation.
    """
    counted = _counted(measured_rows(_message, rows, newest_first, _bytes())).subquery("counted")
    begins = sa.func.bool_or(sa.and_(counted.c.characters <= _P_CHARACTERS, _begins_a_turn(counted.c)))
    whole = begins.over(order_by=newest_first(counted.c), rows=(0, None)).label("whole")
    turns = sa.select(*counted.c, whole).subquery("turns")
    page = [turns.c[column.name] for column in columns]
    comes = sa.or_(turns.c.whole, sa.and_(turns.c.place == sa.literal_column("1"), _P_ALWAYS))
    return sa.select(*page).where(comes).order_by(*newest_first(turns.c))


def _bytes() -> sa.Label[int]:
    """Return the size of a message, which is known where it lies: a long text is not read for it."""
    return sa.func.octet_length(_message.c.content).label("bytes")


def _counted(measured: sa.Subquery) -> sa.Select[Any]:
    """Return the rows with the characters up to each; where the bytes say that they do not fit, too many.

    To count characters the server reads the text: of 1,000 long messages for a context that holds one of them.
    """
    may_fit = measured.c.total <= _P_CHARACTERS * sa.literal_column(str(BYTES_PER_CHARACTER))
    too_many: sa.ColumnElement[int] = sa.literal_column(str(MAX_CHARACTERS + 1))
    size = sa.case(
        (sa.and_(measured.c.place < P_LIMIT, may_fit), sa.func.char_length(measured.c.content)), else_=too_many
    )
    characters = sa.func.sum(size).over(order_by=newest_first(measured.c), rows=(None, 0)).label("characters")
    return sa.select(*measured.c, characters)


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

    def last(self) -> dict[str, Any]:
        """Return the parameters for the last messages; the last one comes in any case."""
        return self._parameters(self.limit, always=True)

    def before(self, content: str) -> dict[str, Any]:
        """Return the parameters for those before a message with this content, which counts too."""
        return self._parameters(self.limit - 1, taken=content)

    def _parameters(self, limit: int, *, taken: str = "", always: bool = False) -> dict[str, Any]:
        bounds = {"p_limit": limit + 1, "p_always": always}
        if self.max_characters is None:
            return bounds | {"p_bytes_left": PAGE_BYTES - _size(taken)}
        return bounds | {"p_characters": self.max_characters - len(taken)}


def _size(content: str) -> int:
    """Return its bytes, or enough of them to fill the budget: a long text is not encoded for it.

    What cannot be stored is refused as it is sent.
    """
    return len(content) if len(content) > PAGE_BYTES else len(content.encode(errors="surrogatepass"))


def _begins_a_turn(columns: Any) -> sa.ColumnElement[bool]:
    question = sa.cast(columns.role, sa.Text()) == sa.cast(sa.literal_column(f"'{Role.USER.value}'"), sa.Text())
    return sa.or_(question, columns.next.is_(None))
