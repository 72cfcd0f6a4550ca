"""Questions about tasks."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    LargeBinary,
    String,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from app.db.errors import InvalidInputError, StaleRowError
from app.db.models import Task, TaskCreate, TaskRead, TaskUpdate
from app.db.models.base import MAX_BIGINT, table_of
from app.db.query import Query, Record, WhenLost
from app.repositories.base import (
    P_ID,
    P_LIMIT,
    P_PLACE,
    P_USER_ID,
    Repository,
    checked_id,
    checked_limit,
    pinned,
)
from app.repositories.once import P_KEY, once, written_before, written_now
from app.repositories.page import CursorFormat, Page

task = table_of(Task).c
_COLUMNS: Final = pinned(Task, TaskRead)
_CURSOR: Final = CursorFormat("<q")

_P_TITLE: Any = bindparam("p_title", type_=String())
_P_DESCRIPTION: Any = bindparam("p_description", type_=String())
_P_SET_DESCRIPTION: Any = bindparam("p_set_description", type_=Boolean())
_P_COMPLETED: Any = bindparam("p_completed", type_=Boolean())
_P_DIGEST: Any = bindparam("p_digest", type_=LargeBinary())
_P_UPDATED_AT: Any = bindparam("p_updated_at", type_=DateTime(timezone=True))
_THE_ROW: Final = (task.user_id == P_USER_ID, task.id == P_ID)
_IS_COMPLETED: Final = task.completed == _P_COMPLETED

_CREATE: Final = Query(
    "tasks.create",
    (
        insert(table_of(Task))
        .values(user_id=P_USER_ID, title=_P_TITLE, description=_P_DESCRIPTION, completed=_P_COMPLETED)
        .returning(*_COLUMNS)
    ),
    TaskRead,
)
_CREATE_ONCE: Final = Query(
    "tasks.create_once",
    once(
        written_now(
            postgresql.insert(table_of(Task)).values(
                user_id=P_USER_ID,
                title=_P_TITLE,
                description=_P_DESCRIPTION,
                completed=_P_COMPLETED,
                idempotency_key=P_KEY,
                idempotency_digest=_P_DIGEST,
            ),
            _COLUMNS,
        ),
        written_before(Task, _COLUMNS, task.idempotency_digest.is_not_distinct_from(_P_DIGEST)),
    ),
    Record,
    WhenLost.KEYED,
)
_GET: Final = Query("tasks.get", (select(*_COLUMNS).where(*_THE_ROW)), TaskRead, WhenLost.NOT_DONE)
_page = (
    select(*_COLUMNS)
    .where(task.user_id == P_USER_ID, task.id < P_PLACE)
    .order_by(task.id.desc().nulls_last())  # as the index says (see `newest_first`)
    .limit(P_LIMIT)
)
_PAGE: Final = Query("tasks.page", (_page), TaskRead, WhenLost.NOT_DONE)
_PAGE_BY_COMPLETED: Final = Query("tasks.page_by_completed", (_page.where(_IS_COMPLETED)), TaskRead, WhenLost.NOT_DONE)
# No clock here: the trigger sets the time, and a volatile function in an UPDATE cannot be sharded.
_update = (
    update(table_of(Task))
    .where(*_THE_ROW)
    .values(
        title=func.coalesce(_P_TITLE, task.title),
        description=case((_P_SET_DESCRIPTION, _P_DESCRIPTION), else_=task.description),
        completed=func.coalesce(_P_COMPLETED, task.completed),
    )
    .returning(*_COLUMNS)
)
_UPDATE: Final = Query("tasks.update", (_update), TaskRead)
# One row always: whether the task is there, and what the update made of it if nobody had changed it before.
_updated = _update.where(task.updated_at == _P_UPDATED_AT).cte("updated")
_there = select(task.id).where(*_THE_ROW).exists().label("there")
_UPDATE_UNCHANGED: Final = Query(
    "tasks.update_unchanged",
    (select(_there, *_updated.c).select_from(select(literal(1)).subquery("always").outerjoin(_updated, true()))),
    Record,
)
_DELETE: Final = Query("tasks.delete", (delete(table_of(Task)).where(*_THE_ROW).returning(_COLUMNS[0])), int)
_count = select(func.count().label("count")).where(task.user_id == P_USER_ID)
_COUNT: Final = Query("tasks.count", (_count), int, WhenLost.NOT_DONE)
_COUNT_BY_COMPLETED: Final = Query("tasks.count_by_completed", (_count.where(_IS_COMPLETED)), int, WhenLost.NOT_DONE)


class TaskRepo(Repository[TaskRead]):
    """Tasks of one user at a time; each call is one statement."""

    noun = "task"
    read_model = TaskRead

    async def create(self, user_id: str, data: TaskCreate, *, idempotency_key: UUID | None = None) -> TaskRead:
        """Return the new task, as stored.

        With a key the task that was first created with it, as it is today; raises `ConflictError` if from other data.
        """
        values = {f"p_{name}": value for name, value in data}
        if idempotency_key is not None:
            values |= {"p_digest": _digest(data)}
            return await self._fetch_once(_CREATE_ONCE, user_id, idempotency_key, **values)
        return (await self._fetch(_CREATE, user_id, **values))[0]

    async def get(self, user_id: str, id: int) -> TaskRead:
        """Return the task; raises `NotFoundError`."""
        return self._one(await self._fetch(_GET, user_id, p_id=checked_id(id)), id)

    async def get_or_none(self, user_id: str, id: int) -> TaskRead | None:
        """Return the task, or None where `get` raises."""
        return next(iter(await self._fetch(_GET, user_id, p_id=checked_id(id))), None)

    async def list_page(
        self, user_id: str, *, completed: bool | None = None, limit: int = 50, after: str | None = None
    ) -> Page[TaskRead]:
        """Return at most `limit` tasks (1 to 1000), newest first; raises `InvalidCursorError`."""
        scope = ("task", user_id, completed)
        (below,) = (MAX_BIGINT,) if after is None else _CURSOR.read(after, *scope)
        parameters = {"p_place": below, "p_limit": checked_limit(limit) + 1}
        if completed is None:
            rows = await self._fetch(_PAGE, user_id, **parameters)
        else:
            rows = await self._fetch(_PAGE_BY_COMPLETED, user_id, p_completed=completed, **parameters)
        return Page.of(rows, limit, lambda row: _CURSOR.write((row.id,), *scope), asked=after)

    async def update(
        self, user_id: str, id: int, data: TaskUpdate, *, expected_updated_at: datetime | None = None
    ) -> TaskRead:
        """Return the task with the fields that `data` sets changed; the last write wins.

        With `expected_updated_at` only if nobody has changed the task since, else `StaleRowError`.
        Raises `NotFoundError`.
        """
        values: dict[str, Any] = {f"p_{name}": value for name, value in data}
        values |= {"p_id": checked_id(id), "p_set_description": "description" in data.model_fields_set}
        if expected_updated_at is None:
            return self._one(await self._fetch(_UPDATE, user_id, **values), id)
        if expected_updated_at.tzinfo is None:
            raise InvalidInputError("expected_updated_at: must have a time zone")
        (row,) = await self._fetch(_UPDATE_UNCHANGED, user_id, p_updated_at=expected_updated_at, **values)
        if not row["there"]:
            raise self._not_found(id)
        if row["id"] is None:
            raise StaleRowError(f"task {id} has changed since {expected_updated_at.isoformat()}")
        return TaskRead.model_validate(row)

    async def delete(self, user_id: str, id: int) -> None:
        """Delete the task; raises `NotFoundError`."""
        if not await self._fetch(_DELETE, user_id, p_id=checked_id(id)):
            raise self._not_found(id)

    async def count(self, user_id: str, *, completed: bool | None = None) -> int:
        """Return how many tasks there are; reads them all in the index, so never for a list."""
        if completed is None:
            rows = await self._fetch(_COUNT, user_id)
        else:
            rows = await self._fetch(_COUNT_BY_COMPLETED, user_id, p_completed=completed)
        return int(rows[0])


def _digest(data: TaskCreate) -> bytes:
    """Return what tells whether a repeated call brings the same data: the task itself may have changed since.

    Without the defaults: a field that later code adds must not make another task of a call that does not set it.
    """
    return sha256(json.dumps(data.model_dump(mode="json", exclude_defaults=True), sort_keys=True).encode()).digest()
