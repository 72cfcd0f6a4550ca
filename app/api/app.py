"""The application."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, TypedDict

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from app.api import causal, conversations, docs, handlers, health, me, messages, replying, tasks
from app.api.errors import TooManyRequestsError
from app.api.gate import FixedHeaders, Gate
from app.api.problems import answers
from app.api.readiness import Readiness
from app.api.replies import Replies
from app.api.routes import add_routes
from app.api.services import Services
from app.api.settings import ApiSettings
from app.api.shares import Shares
from app.api.tokens import TokenVerifier
from app.db import Database, DatabaseSettings
from app.repositories import MessageRepo

# What the gate answers to a request without a user, and what every request with one can meet.
_OF_THE_GATE: Final = answers(400, 408, 413, 414, 415, 422, 431)
_ALWAYS: Final = _OF_THE_GATE | answers(401, 429, 500, 503, 504)
_PRIVATE: Final = (tasks.router, conversations.router, messages.router, replying.router, me.router)
_LONG_BODIES_PER_USER: Final = 4  # each is in memory about six times while it is parsed, checked and sent
_WHOLE_USERS_PER_USER: Final = 2  # exports and erasures in flight: an export has a page of 8 MB and its lines in memory
_CORS_HEADERS: Final = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match")
_CORS_EXPOSED: Final = ("ETag", me.EXPORT_TOKEN, "Retry-After", "WWW-Authenticate")


class State(TypedDict):
    """What the lifespan hands over: ``request.state``."""

    services: Services


def create_app(
    settings: ApiSettings | None = None,
    *,
    database: DatabaseSettings | None = None,
    public: frozenset[str] = frozenset(),
) -> FastAPI:
    """Return the service; what is not given is read from the environment. It connects when the first request comes.

    Every path needs a token, also one that is added later, but those in `public`, of health and of documentation.
    """
    settings = settings or ApiSettings()
    database = database or DatabaseSettings()
    app = FastAPI(
        title="Tasks and conversations",
        description="Errors are `application/problem+json`. Every request but those for health needs a token.",
        version="1",
        lifespan=_lifespan(settings, database),
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        openapi_url=docs.OPENAPI_PATH if settings.docs else None,
        docs_url=None,
        redoc_url=None,
    )
    handlers.install(app)
    for router in _PRIVATE:
        add_routes(app, router, responses=_ALWAYS)
    add_routes(app, health.router, responses=_OF_THE_GATE)
    if database.has_replicas:
        causal.document(app)
        app.add_middleware(causal.CausalTokens)
    if settings.docs:
        docs.add_docs(app)
    headers = (causal.NAME,) if database.has_replicas else ()
    _add_middleware(
        app, settings, headers, public | _paths(health.router) | (docs.PATHS if settings.docs else frozenset())
    )
    return app


def _add_middleware(app: FastAPI, settings: ApiSettings, headers: tuple[str, ...], public: frozenset[str]) -> None:
    """Add what stands before the routes; the last is the outermost. Pages may send and read `headers`, too."""
    app.add_middleware(Gate, settings=settings, public=public, openapi=lambda: app.openapi())  # noqa: PLW0108 - late
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "PATCH", "DELETE"),
            allow_headers=(*_CORS_HEADERS, *headers),
            expose_headers=(*_CORS_EXPOSED, *headers),
            allow_credentials=False,  # a token is sent by the page itself, a cookie by any page
        )
    app.add_middleware(FixedHeaders)


def _paths(router: APIRouter) -> frozenset[str]:
    return frozenset(route.path for route in router.routes if isinstance(route, Route))


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
                requests=Shares(settings.max_requests_per_user, TooManyRequestsError),
                long_bodies=Shares(_LONG_BODIES_PER_USER, TooManyRequestsError),
                whole_users=Shares(_WHOLE_USERS_PER_USER, TooManyRequestsError),
                erase_seconds=settings.erase_seconds,
            )
            try:
                yield {"services": services}
            finally:
                await services.replies.finish()
                await services.readiness.close()
                await services.tokens.close()

    return lifespan
