"""The queries of the messages of a conversation."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, select

from app.db.models import Message, MessageRead
from app.db.query import Record
from app.db.rows import Slice
from app.repositories.budget import within_budget
from app.repositories.columns import P_PLACE
from app.repositories.entity import Entity
from app.repositories.messages import appending, on_shards
from app.repositories.messages.context import within_context
from app.repositories.once import P_KEY
from app.repositories.order import newest_first, oldest_first

MESSAGES: Final = Entity(Message, MessageRead)
_message: Final = MESSAGES.table.c
_SLICE: Final = Slice[MessageRead]

APPEND: Final = MESSAGES.query(
    "append", partial(appending.append, MESSAGES), sharded=partial(on_shards.append, MESSAGES)
)
APPEND_ONCE: Final = MESSAGES.keyed_query(
    "append_once", partial(appending.append_once, MESSAGES), sharded=partial(on_shards.append_once, MESSAGES)
)
APPEND_MANY: Final = MESSAGES.query(
    "append_many", partial(appending.append_many, MESSAGES), Record, sharded=partial(on_shards.append_many, MESSAGES)
)
# By whether they are bounded in characters.
_HISTORIES: Final[Mapping[bool, tuple[str, appending.History]]] = {
    False: ("history", partial(within_budget, MESSAGES.table, order=newest_first)),
    True: ("context", within_context),
}
WITH_HISTORY: Final = {
    bounded: MESSAGES.query(
        f"append_with_{name}",
        partial(appending.append_with_history, MESSAGES, read),
        _SLICE,
        sharded=partial(on_shards.append_with_history, MESSAGES, name, read),
    )
    for bounded, (name, read) in _HISTORIES.items()
}
ONCE_WITH_HISTORY: Final = {
    bounded: MESSAGES.keyed_query(
        f"append_once_with_{name}",
        partial(appending.append_once_with_history, MESSAGES, read),
        _SLICE,
        sharded=partial(on_shards.append_once_with_history, MESSAGES, name, read),
    )
    for bounded, (name, read) in _HISTORIES.items()
}
BY_KEY: Final = MESSAGES.query("by_key", lambda: _read(_message.idempotency_key == P_KEY))
AFTER: Final = MESSAGES.page_query("after", lambda: _list(_message.id > P_PLACE), oldest_first)
BEFORE: Final = MESSAGES.page_query("before", lambda: _list(_message.id < P_PLACE), newest_first)
CONTEXT: Final = MESSAGES.query("context", lambda: within_context(MESSAGES.columns, _list(_message.id < P_PLACE)))


def _read(*criteria: ColumnElement[bool]) -> Select[Any]:
    return select(*MESSAGES.columns).where(MESSAGES.owned, *criteria)


def _list(place: ColumnElement[bool]) -> Select[Any]:
    return _read(_message.conversation_id == appending.P_CONVERSATION_ID, place)
