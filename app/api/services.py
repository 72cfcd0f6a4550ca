"""What the lifespan makes for the requests."""

from dataclasses import dataclass

from fastapi import Request
from starlette.types import Scope

from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.shares import Shares
from app.api.tokens import TokenVerifier
from app.db import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Made when the application starts, closed when it ends."""

    database: Database
    tokens: TokenVerifier
    readiness: Readiness
    replies: Replies
    requests: Shares
    long_bodies: Shares
    whole_users: Shares
    erase_seconds: float


class NotStartedError(RuntimeError):
    """The application's lifespan has not run: a mistake in how the program is written."""


def services_in(scope: Scope) -> Services:
    """Return what the lifespan made; raises `NotStartedError`."""
    services = scope.get("state", {}).get("services")
    if not isinstance(services, Services):
        raise NotStartedError(
            "the service has not started: its lifespan opens the database. In a test write "
            "`with TestClient(app) as client:`; an application that mounts it writes "
            "`FastAPI(lifespan=lambda _: app.router.lifespan_context(app))`; a server runs the lifespan by itself"
        )
    return services


def services_of(request: Request) -> Services:
    """Return what the lifespan made; raises `NotStartedError`."""
    return services_in(request.scope)
