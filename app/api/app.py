"""The application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI

from app.api import conversations, health, messages, problems, replying, tasks
from app.api.gate import Gate
from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.services import Services
from app.api.settings import ApiSettings
from app.api.tokens import TokenVerifier
from app.db import Database, DatabaseSettings
from app.repositories import MessageRepo

# What the gate answers, and what every request that needs the database can meet.
_OF_THE_GATE = problems.answers(400, 413, 415)
_ALWAYS = _OF_THE_GATE | problems.answers(401, 422, 500, 503, 504)


class State(TypedDict):
    """What the lifespan hands over: ``request.state``."""

    services: Services


def create_app(settings: ApiSettings | None = None, *, database: DatabaseSettings | None = None) -> FastAPI:
    """Return the service; what is not given is read from the environment. It connects when the first request comes."""
    settings = settings or ApiSettings()
    database = database or DatabaseSettings()
    app = FastAPI(
        title="Tasks and conversations",
        description="Errors are `application/problem+json`. Every request but those for health needs a token.",
        version="1",
        lifespan=_lifespan(settings, database),
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.add_middleware(Gate, max_body_bytes=settings.max_body_bytes)
    problems.install(app)
    app.include_router(health.router, responses=_OF_THE_GATE)
    for router in (tasks.router, conversations.router, messages.router, replying.router):
        app.include_router(router, responses=_ALWAYS, max_body_size=settings.max_body_bytes)
    return app


def _lifespan(
    settings: ApiSettings, database_settings: DatabaseSettings
) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with Database(database_settings) as database:
            services = Services(
                database=database,
                tokens=TokenVerifier(settings),
                readiness=Readiness(database),
                replies=Replies(settings.assistant(), MessageRepo(database), settings),
            )
            try:
                yield {"services": services}
            finally:
                await services.replies.finish()
                await services.readiness.close()

    return lifespan
