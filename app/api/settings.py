"""What the environment says about the service."""

from collections.abc import Callable
from typing import Annotated, Self

from pydantic import (
    Field,
    FilePath,
    HttpUrl,
    ImportString,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.api.assistant import Assistant, EchoAssistant

_LOOPBACK = ("127.0.0.1", "localhost")
# RFC 7518, 3.2: a key for HS256 is at least as long as its hash.
Secret = Annotated[SecretStr, Field(min_length=32)]


class ApiSettings(BaseSettings):
    """Read from ``API_*`` and ``.env`` when it is made; arguments go before them. Give exactly one source of keys."""

    model_config = SettingsConfigDict(
        env_prefix="API_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    jwt_issuer: Annotated[str, Field(min_length=1)]
    """The ``iss`` that a token must have."""
    jwt_audience: Annotated[str, Field(min_length=1)]
    """The ``aud`` that a token must have, alone or among others."""
    jwt_secret: Secret | None = None
    """Tokens are signed with this secret (HS256); at least 32 bytes."""
    jwks_file: FilePath | None = None
    """Tokens are signed with a key of this JSON Web Key Set (RS256, ES256)."""
    jwks_url: HttpUrl | None = None
    """The same, fetched from the issuer, and again when it names a new key."""
    assistant: ImportString[Callable[[], Assistant]] = EchoAssistant
    """Makes what answers: ``package.module:name`` of a class or function without arguments."""
    history_messages: Annotated[int, Field(ge=1, le=1000)] = 50
    """How many messages the assistant is shown."""
    max_replies: PositiveInt = 1000
    """How many answers may be in the making at once; each is held in memory until it is stored."""
    reply_timeout_seconds: PositiveFloat = 300
    """How long the assistant may take for one answer."""
    shutdown_seconds: PositiveFloat = 30
    """How long started answers may take to be finished and stored when the service ends."""
    max_body_bytes: PositiveInt = 5_000_000
    """The longest body that is read. JSON writes some characters in six bytes."""

    @field_validator("jwks_url")
    @classmethod
    def _authentic(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url and url.scheme != "https" and url.host not in _LOOPBACK:
            raise ValueError("must be https: who can change the keys can be anybody")
        return url

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if sum(source is not None for source in (self.jwt_secret, self.jwks_file, self.jwks_url)) != 1:
            raise ValueError("set exactly one of API_JWT_SECRET, API_JWKS_FILE and API_JWKS_URL")
        return self
