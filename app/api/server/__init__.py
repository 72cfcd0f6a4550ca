"""The server: uvicorn, with a limit on everything that a stranger can make it keep or wait for."""

from app.api.server.server import LimitedServer

__all__ = ["LimitedServer"]
