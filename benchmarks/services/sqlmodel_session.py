"""FastAPI as SQLModel's tutorial has it: a session for each request, `add`, `commit`, `refresh`."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import StreamingResponse

from app.db.models import Conversation, Message, MessageCreate, MessageRead, Role, Task, TaskCreate, TaskRead
from app.repositories import Page
from benchmarks.contenders.base import PAGE, POOL_SIZE
from benchmarks.services.plain import Question, UserId, event, page, piece, serve


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://").partition("?")[0]
    app.state.engine = create_async_engine(url, pool_size=POOL_SIZE, max_overflow=0)
    yield
    await app.state.engine.dispose()


app = FastAPI(lifespan=_lifespan)
_Row = TypeVar("_Row", Task, Message)


async def _session() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(app.state.engine) as session:
        yield session


Session = Annotated[AsyncSession, Depends(_session)]


@app.get("/tasks", response_model=Page[TaskRead])
async def list_tasks(user_id: UserId, session: Session, limit: int = 50) -> dict[str, Any]:
    """Return the newest tasks."""
    newest = select(Task).where(Task.user_id == user_id).order_by(col(Task.id).desc().nulls_last())
    return page((await session.exec(newest.limit(limit))).all())


@app.post("/tasks", status_code=201, response_model=TaskRead)
async def create_task(user_id: UserId, session: Session, data: TaskCreate) -> Task:
    """Create a task."""
    return await _saved(session, Task(user_id=user_id, **data.model_dump()))


@app.post("/conversations/{conversation_id}/messages", status_code=201, response_model=MessageRead)
async def append_message(user_id: UserId, session: Session, conversation_id: int, data: MessageCreate) -> Message:
    """Append a message."""
    return await _append(session, user_id, conversation_id, data)


@app.post("/conversations/{conversation_id}/reply")
async def reply(user_id: UserId, session: Session, conversation_id: int, data: Question) -> StreamingResponse:
    """Append the user's message, read the last 50, and stream the reply: what the user said."""
    await _append(session, user_id, conversation_id, data)
    history = await _latest(session, user_id, conversation_id)
    events = _events(session, user_id, conversation_id, history[-1].content)
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(session: AsyncSession, user_id: str, conversation_id: int, text: str) -> AsyncIterator[bytes]:
    yield piece(text)
    stored = await _append(session, user_id, conversation_id, MessageCreate(role=Role.ASSISTANT, content=text))
    yield event("message", MessageRead.model_validate(stored, from_attributes=True).model_dump_json())


async def _latest(session: AsyncSession, user_id: str, conversation_id: int) -> Sequence[Message]:
    mine = select(Message).where(Message.conversation_id == conversation_id, Message.user_id == user_id)
    return (await session.exec(mine.order_by(col(Message.id).desc().nulls_last()).limit(PAGE))).all()[::-1]


async def _append(session: AsyncSession, user_id: str, conversation_id: int, data: MessageCreate) -> Message:
    mine = update(Conversation).where(col(Conversation.user_id) == user_id, col(Conversation.id) == conversation_id)
    touched = await session.exec(mine.values(updated_at=func.clock_timestamp()))
    if not touched.rowcount:
        raise HTTPException(404)
    message = Message(user_id=user_id, conversation_id=conversation_id, role=Role(data.role), content=data.content)
    return await _saved(session, message)


async def _saved(session: AsyncSession, row: _Row) -> _Row:
    session.add(row)
    await session.commit()
    await session.refresh(row)
    return row


if __name__ == "__main__":
    serve(app)
