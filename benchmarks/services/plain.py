"""What every service without this layer does alike: it verifies the token, and runs on uvicorn with h11."""

import json
import os
import socket
import sys
from typing import Annotated, Any, Literal

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jwt.exceptions import PyJWTError

from app.db.models import MessageCreate, Role


class Question(MessageCreate):
    """What the user says."""

    role: Literal[Role.USER] = Role.USER


async def _user_id(credentials: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> str:
    try:
        claims = jwt.decode(
            credentials.credentials,
            os.environ["API_JWT_SECRET"],
            algorithms=["HS256"],
            issuer=os.environ["API_JWT_ISSUER"],
            audience=os.environ["API_JWT_AUDIENCE"],
        )
    except PyJWTError:
        raise HTTPException(401) from None
    return str(claims["sub"])


UserId = Annotated[str, Depends(_user_id)]


def page(items: Any) -> dict[str, Any]:
    """Return a page; the cursors that this layer makes are left out."""
    return {"items": items, "next_cursor": None, "start_cursor": None, "end_cursor": None}


def piece(text: str) -> bytes:
    """Return the event of a piece of a reply."""
    return event("piece", json.dumps(text))


def event(name: str, data: str) -> bytes:
    """Return a server-sent event."""
    return f"event: {name}\ndata: {data}\n\n".encode()


def serve(app: FastAPI) -> None:
    """Serve on the socket that the command line names."""
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http="h11"))  # the parser that the service uses
        server.run([listener])
