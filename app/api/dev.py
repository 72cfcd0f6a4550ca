"""The service for development on one machine: a secret made at start, and a page that gives out tokens.

No setting turns this on: it is another factory, and the service that `create_app` returns has nothing of it.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import jwt
from fastapi import FastAPI, Query
from pydantic import BaseModel, SecretStr
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import RedirectResponse

from app.api.app import create_app
from app.api.problems import answers
from app.api.settings import ApiSettings
from app.db import DatabaseSettings
from app.db.models.base import UserId

HELP: Final = (
    "A token of any user: GET /dev/token?user_id=ada. On this page: open `GET /dev/token`, Try it out, Execute, copy "
    "`access_token`, and paste it under Authorize."
)
_NAME: Final = "async-data-layer-development"
_VALID_FOR: Final = timedelta(hours=12)
_TOKEN_PATH: Final = "/dev/token"  # noqa: S105 - a path


class Token(BaseModel):
    """A token, as OAuth 2 writes it."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name


def dev_settings() -> ApiSettings:
    """Return settings with a secret made now, and the documentation on."""
    secret = SecretStr(secrets.token_urlsafe(32))
    return ApiSettings(
        jwt_secret=secret, jwks_file=None, jwks_url=None, jwt_issuer=_NAME, jwt_audience=_NAME, docs=True
    )


def create_dev_app(settings: ApiSettings | None = None, *, database: DatabaseSettings | None = None) -> FastAPI:
    """Return the service with a secret of its own and a route that gives tokens to anybody on this machine."""
    settings = settings or dev_settings()
    app = create_app(settings, database=database, public=frozenset({"/", _TOKEN_PATH}))
    app.description += f"\n\n{HELP}"
    # A page in the browser of this machine must not reach the service under a name of its own (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.get("/", include_in_schema=False)
    async def front_door() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.get(_TOKEN_PATH, tags=["development"], responses=answers(422))
    async def token(user_id: Annotated[UserId, Query()]) -> Token:
        """Get a token of any user."""
        return Token(access_token=dev_token(settings, user_id))

    return app


def dev_token(settings: ApiSettings, user_id: str) -> str:
    """Return a token of `user_id`; the settings must have a secret."""
    assert settings.jwt_secret
    claims = {
        "sub": user_id,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
        "exp": datetime.now(UTC) + _VALID_FOR,
    }
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
