"""What a team writes without this layer: FastAPI, an asyncpg pool, and the same response model."""

import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg
import jwt
import uvicorn
from fastapi import Depends, FastAPI
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.db.models import TaskRead
from app.repositories import Page
from benchmarks import sql


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=5) as app.state.pool:
        yield


app = FastAPI(lifespan=_lifespan)


async def _user_id(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    claims = jwt.decode(
        credentials.credentials,
        os.environ["API_JWT_SECRET"],
        algorithms=["HS256"],
        issuer=os.environ["API_JWT_ISSUER"],
        audience=os.environ["API_JWT_AUDIENCE"],
    )
    return str(claims["sub"])


@app.get("/tasks", response_model=Page[TaskRead])
async def list_tasks(user_id: Annotated[str, Depends(_user_id)], limit: int = 50) -> dict[str, Any]:
    """Return the newest tasks; the cursors that this layer makes are left out."""
    rows = await app.state.pool.fetch(sql.PAGE, user_id, limit)
    return {"items": [dict(row) for row in rows], "next_cursor": None, "start_cursor": None, "end_cursor": None}


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http="h11"))  # the parser that the service uses
        server.run([listener])
