"""What the lifespan hands to the requests."""

from dataclasses import dataclass

from fastapi import Request

from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.tokens import TokenVerifier
from app.db import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Made when the application starts, closed when it ends."""

    database: Database
    tokens: TokenVerifier
    readiness: Readiness
    replies: Replies


def services_of(request: Request) -> Services:
    """Return what the lifespan made."""
    services = request.state.services
    assert isinstance(services, Services)
    return services
