"""What a team writes without this layer: FastAPI, an asyncpg pool, and the same response models."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException
from starlette.responses import StreamingResponse

from app.db.models import MessageCreate, MessageRead, TaskCreate, TaskRead
from app.repositories import Page
from benchmarks import sql
from benchmarks.contenders.base import PAGE, POOL_SIZE
from benchmarks.services.plain import Question, UserId, event, page, piece, serve


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=POOL_SIZE) as app.state.pool:
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/tasks", response_model=Page[TaskRead])
async def list_tasks(user_id: UserId, limit: int = 50) -> dict[str, Any]:
    """Return the newest tasks."""
    return page([dict(row) for row in await app.state.pool.fetch(sql.PAGE, user_id, limit)])


@app.post("/tasks", status_code=201, response_model=TaskRead)
async def create_task(user_id: UserId, data: TaskCreate) -> dict[str, Any]:
    """Create a task."""
    return dict(await app.state.pool.fetchrow(sql.CREATE, user_id, data.title))


@app.post("/conversations/{conversation_id}/messages", status_code=201, response_model=MessageRead)
async def append_message(user_id: UserId, conversation_id: int, data: MessageCreate) -> dict[str, Any]:
    """Append a message."""
    return await _append(user_id, conversation_id, data)


@app.post("/conversations/{conversation_id}/reply")
async def reply(user_id: UserId, conversation_id: int, data: Question) -> StreamingResponse:
    """Append the user's message, read the last 50, and stream the reply: what the user said."""
    await _append(user_id, conversation_id, data)
    rows = await app.state.pool.fetch(sql.LATEST, user_id, conversation_id, PAGE)
    history = [dict(row) for row in reversed(rows)]
    events = _events(user_id, conversation_id, history[-1]["content"])
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(user_id: str, conversation_id: int, text: str) -> AsyncIterator[bytes]:
    yield piece(text)
    stored = await _append(user_id, conversation_id, MessageCreate(role="assistant", content=text))
    yield event("message", MessageRead.model_validate(stored).model_dump_json())


async def _append(user_id: str, conversation_id: int, data: MessageCreate) -> dict[str, Any]:
    row = await app.state.pool.fetchrow(sql.APPEND, user_id, conversation_id, data.role, data.content)
    if row is None:
        raise HTTPException(404)
    return dict(row)


if __name__ == "__main__":
    serve(app)
