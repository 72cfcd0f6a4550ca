"""Routes of tasks."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import WithJsonSchema

from app.api.answers import JsonAnswer
from app.api.dependencies import After, IdempotencyKey, Limit, RowIdPath, TaskRepoDep, TrueOrFalse, UserIdDep
from app.api.etags import ETAG_HEADER, IfMatch, tagged, updated_at_of
from app.api.problems import answers
from app.db.models import TaskCreate, TaskRead, TaskUpdate
from app.repositories import Page

router = APIRouter(prefix="/tasks", tags=["tasks"])

Completed = Annotated[
    bool | None,
    TrueOrFalse,
    WithJsonSchema({"type": "boolean"}),
    Query(description="Only completed tasks (true), or only open ones (false)."),
]


@router.post("", status_code=201, response_model=TaskRead, responses={201: {"headers": ETAG_HEADER}, **answers(409)})
async def create_task(
    user_id: UserIdDep, tasks: TaskRepoDep, data: TaskCreate, idempotency_key: IdempotencyKey = None
) -> Response:
    """Create a task."""
    return tagged(await tasks.create(user_id, data, idempotency_key=idempotency_key), status=201)


@router.get("", response_model=Page[TaskRead])
async def list_tasks(
    user_id: UserIdDep, tasks: TaskRepoDep, completed: Completed = None, limit: Limit = 50, after: After = None
) -> Response:
    """List tasks, newest first.

    A page may have fewer than `limit`: the end is where `next_cursor` is null.
    """
    page = await tasks.list_page(user_id, completed=completed, limit=limit, after=after)
    return JsonAnswer(page, of=Page[TaskRead])


@router.get("/{task_id}", response_model=TaskRead, responses={200: {"headers": ETAG_HEADER}, **answers(404)})
async def get_task(user_id: UserIdDep, tasks: TaskRepoDep, task_id: RowIdPath) -> Response:
    """Get a task."""
    return tagged(await tasks.get(user_id, task_id))


@router.patch("/{task_id}", response_model=TaskRead, responses={200: {"headers": ETAG_HEADER}, **answers(404, 412)})
async def update_task(
    user_id: UserIdDep, tasks: TaskRepoDep, task_id: RowIdPath, data: TaskUpdate, if_match: IfMatch = None
) -> Response:
    """Change the fields that are sent.

    With `If-Match` only if nobody else has changed the task since.
    """
    return tagged(await tasks.update(user_id, task_id, data, expected_updated_at=updated_at_of(if_match)))


@router.delete("/{task_id}", status_code=204, responses=answers(404))
async def delete_task(user_id: UserIdDep, tasks: TaskRepoDep, task_id: RowIdPath) -> None:
    """Delete a task."""
    await tasks.delete(user_id, task_id)
