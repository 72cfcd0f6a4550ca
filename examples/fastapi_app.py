"""A FastAPI application of one file: tasks, and a chat that begins with its first message.

Run `python -m examples.fastapi_app` with DATABASE_URL set and migrated.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

import uvicorn
from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse

from app.db import Database, DatabaseSettings
from app.db.errors import ConflictError, DataAccessError, InvalidInputError, NotFoundError, OutcomeUnknownError
from app.db.models import MessageCreate, MessageRead, TaskCreate, TaskRead, TaskUpdate
from app.repositories import ConversationRepo, MessageRepo, Page, TaskRepo

STATUSES: Mapping[type[DataAccessError], int] = {NotFoundError: 404, ConflictError: 409, InvalidInputError: 422}


class State(TypedDict):
    """What every request finds in `request.state`."""

    db: Database


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[State]:
    """Open the database once for the whole application, and close it at the end."""
    async with Database(DatabaseSettings()) as db:
        yield {"db": db}


def database(request: Request) -> Database:
    """Return the application's database."""
    db: Database = request.state.db
    return db


def user_id(x_user_id: Annotated[str, Header()]) -> str:
    """Return the caller; a real application takes the user from a verified token."""
    return x_user_id


def tasks(db: Annotated[Database, Depends(database)]) -> TaskRepo:
    """Return the repository; each of its calls is one round trip, and durable when it returns."""
    return TaskRepo(db)


DatabaseDep = Annotated[Database, Depends(database)]
TasksDep = Annotated[TaskRepo, Depends(tasks)]
UserDep = Annotated[str, Depends(user_id)]
app = FastAPI(lifespan=lifespan)


@app.post("/tasks", status_code=201)
async def create_task(user: UserDep, repo: TasksDep, data: TaskCreate) -> TaskRead:
    """Create a task."""
    return await repo.create(user, data)


@app.get("/tasks")
async def list_tasks(user: UserDep, repo: TasksDep, after: str | None = None) -> Page[TaskRead]:
    """List a page of tasks, the newest first; `next_cursor` is the `after` of the next page."""
    return await repo.list_page(user, limit=20, after=after)


@app.patch("/tasks/{task_id}")
async def update_task(user: UserDep, repo: TasksDep, task_id: int, data: TaskUpdate) -> TaskRead:
    """Change the fields that are given."""
    return await repo.update(user, task_id, data)


@app.post("/chats", status_code=201)
async def begin_chat(user: UserDep, db: DatabaseDep, data: MessageCreate) -> MessageRead:
    """Begin a conversation with its first message: both are written, or neither."""
    async with db.transaction() as session:
        chat = await ConversationRepo(session).create(user)
        return await MessageRepo(session).append(user, chat.id, data)


@app.exception_handler(DataAccessError)
async def data_access_error(_: Request, error: DataAccessError) -> JSONResponse:
    """Answer for every call of a repository; the texts of the errors of STATUSES are made for clients."""
    for kind, status in STATUSES.items():
        if isinstance(error, kind):
            return JSONResponse({"detail": str(error)}, status)
    if isinstance(error, OutcomeUnknownError):
        return JSONResponse({"detail": "It may or may not have happened: look before you repeat it."}, 503)
    if error.retryable:
        return JSONResponse({"detail": "Nothing was done; repeat it in a moment."}, 503, {"Retry-After": "1"})
    return JSONResponse({"detail": "An internal error has occurred."}, 500)


if __name__ == "__main__":
    uvicorn.run(app)
