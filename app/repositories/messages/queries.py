"""The queries of the messages of a conversation."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, select

from app.db.models import Message, MessageRead
from app.db.query import Query, Record, Routine, WhenLost
from app.db.rows import Slice
from app.repositories.columns import P_PLACE
from app.repositories.entity import Entity
from app.repositories.messages import appending, on_shards
from app.repositories.messages.context import within_bytes, within_context
from app.repositories.once import P_KEY
from app.repositories.order import newest_first, oldest_first

MESSAGES: Final = Entity(Message, MessageRead)
_message: Final = MESSAGES.table.c

APPEND: Final = MESSAGES.query(
    "append", partial(appending.append, MESSAGES), sharded=partial(on_shards.append, MESSAGES)
)
APPEND_ONCE: Final = MESSAGES.query(
    "append_once",
    partial(appending.append_once, MESSAGES),
    Record,
    lost=WhenLost.KEYED,
    sharded=partial(on_shards.append_once, MESSAGES),
)
APPEND_MANY: Final = MESSAGES.query(
    "append_many", partial(appending.append_many, MESSAGES), Record, sharded=partial(on_shards.append_many, MESSAGES)
)
_HISTORIES: Final[Mapping[bool, tuple[str, appending.History]]] = {
    False: ("history", within_bytes),
    True: ("context", within_context),
}


def _with_history(
    name: str, statement: Callable[..., Executable], on_shards: Callable[..., Routine], lost: WhenLost | None = None
) -> dict[bool, Query[Slice[MessageRead]]]:
    """Return the queries that append and read the messages before, by whether these are bounded in characters."""
    return {
        bounded: MESSAGES.query(
            f"{name}_with_{what}",
            partial(statement, MESSAGES, read),
            Slice[MessageRead],
            lost=lost,
            sharded=partial(on_shards, MESSAGES, what, read),
        )
        for bounded, (what, read) in _HISTORIES.items()
    }


WITH_HISTORY: Final = _with_history("append", appending.append_with_history, on_shards.append_with_history)
ONCE_WITH_HISTORY: Final = _with_history(
    "append_once", appending.append_once_with_history, on_shards.append_once_with_history, WhenLost.KEYED
)
BY_KEY: Final = MESSAGES.query("by_key", lambda: _read(_message.idempotency_key == P_KEY))
AFTER: Final = MESSAGES.page_query("after", lambda: _list(_message.id > P_PLACE), oldest_first)
BEFORE: Final = MESSAGES.page_query("before", lambda: _list(_message.id < P_PLACE), newest_first)
LATEST: Final = MESSAGES.query("latest", lambda: within_bytes(MESSAGES.columns, _list(_message.id < P_PLACE)))
CONTEXT: Final = MESSAGES.query("context", lambda: within_context(MESSAGES.columns, _list(_message.id < P_PLACE)))


def _read(*criteria: ColumnElement[bool]) -> Select[Any]:
    return select(*MESSAGES.columns).where(MESSAGES.owned, *criteria)


def _list(place: ColumnElement[bool]) -> Select[Any]:
    return _read(_message.conversation_id == appending.P_CONVERSATION_ID, place)
