"""What the environment says about the service."""

import re
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
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from app.api.assistant import Assistant, EchoAssistant
from app.api.keys.key_set import checked_key_set
from app.api.keys.secret import Secret
from app.db.target.environment import EnvironmentSettings

_LOOPBACK = ("127.0.0.1", "localhost")
_OF_AN_APP = re.compile(r"(?!https?:|file:)[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]+)?")
"""What the web view of an application or a browser's extension sends: ``capacitor://localhost``."""


class ApiSettings(EnvironmentSettings):
    """Read from ``API_*`` and ``.env`` when it is made; arguments take precedence. Give exactly one source of keys."""

    model_config = SettingsConfigDict(env_prefix="API_")

    jwt_issuer: Annotated[str, Field(min_length=1)]
    """The ``iss`` that a token must have."""
    jwt_audience: Annotated[str, Field(min_length=1)]
    """The ``aud`` that a token must have, alone or among others."""
    jwt_secret: Annotated[SecretStr, Secret] | None = None
    """Tokens are signed with this secret (HS256): at least 32 bytes, random."""
    jwks_file: FilePath | None = None
    """Tokens are signed with a key of this JSON Web Key Set (RS256, ES256, EdDSA)."""
    jwks_url: HttpUrl | None = None
    """The same, fetched from the issuer, and again when a token names a new key."""
    assistant: ImportString[Callable[[], Assistant]] = EchoAssistant
    """Makes the assistant: ``package.module:name`` of a class or function without arguments."""
    history_messages: Annotated[int, Field(ge=1, le=1000)] = 50
    """How many messages the assistant is shown."""
    history_characters: Annotated[int, Field(ge=1, le=2_000_000)] | None = None
    """How many characters these may have together; whole turns are left out, the user's message never."""
    max_replies: PositiveInt = 1000
    """How many replies may be in flight at once; each is held in memory until it is stored."""
    max_replies_per_user: PositiveInt = 20
    """How many of these one user may have."""
    max_reply_characters: PositiveInt = 1_000_000
    """The longest reply; an assistant that says more is stopped, and nothing of its reply is stored."""
    reply_timeout_seconds: PositiveFloat = 300
    """How long the assistant may take for one reply."""
    shutdown_seconds: PositiveFloat = 30
    """How long replies in flight may take to be finished and stored when the service ends."""
    max_body_bytes: PositiveInt = 5_000_000
    """The longest body of a route that takes a message's content; JSON writes some characters in six bytes."""
    body_timeout_seconds: PositiveFloat = 30
    """How long a client may take to send a body."""
    max_requests_per_user: PositiveInt = 100
    """How many requests of one user may be in flight at once, open streams included."""
    erase_seconds: PositiveFloat = 20
    """How long one request to erase a user works before it answers that there is more."""
    max_connections: PositiveInt = 1000
    """How many connections `python -m app.api` keeps; beyond it closes the one that has sent no request for longest."""
    head_timeout_seconds: PositiveFloat = 10
    """How long a client of `python -m app.api` may take to send the head of a request."""
    write_timeout_seconds: PositiveFloat = 30
    """How long a client of `python -m app.api` may leave an answer unread."""
    cors_origins: tuple[str, ...] = ()
    """Web pages that may call the service: origins such as ``https://app.example``, separated by commas, or ``*``."""
    docs: bool = False
    """Serve ``/docs`` and ``/openapi.json``."""

    @field_validator("jwks_url")
    @classmethod
    def _authentic(cls, url: HttpUrl | None) -> HttpUrl | None:
        if url and url.scheme != "https" and url.host not in _LOOPBACK:
            raise ValueError("must be https: over http the keys can be replaced, and then any user's token forged")
        return url

    @field_validator("jwks_file")
    @classmethod
    def _verifies(cls, path: FilePath | None) -> FilePath | None:
        if path:
            checked_key_set(path.read_bytes())
        return path

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _separated(cls, origins: object) -> object:
        return tuple(filter(None, origins.replace(",", " ").split())) if isinstance(origins, str) else origins

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        if "*" in origins and len(origins) > 1:
            raise ValueError("* means every page: write it alone, or leave it out")
        for origin in origins:
            if origin != "*" and not _is_origin(origin):
                raise ValueError(
                    "an origin is scheme://host or scheme://host:port in lower case, separated from others by commas, "
                    "without path, user, the scheme's usual port or `*`"
                )
        return origins

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if sum(source is not None for source in (self.jwt_secret, self.jwks_file, self.jwks_url)) != 1:
            raise ValueError("set exactly one of API_JWT_SECRET, API_JWKS_FILE and API_JWKS_URL")
        return self


def _is_origin(text: str) -> bool:
    """Return whether a browser may send `text` as an origin: it writes each in one way only."""
    try:
        url = HttpUrl(text)
    except ValidationError:
        return bool(_OF_AN_APP.fullmatch(text))
    return str(url) == f"{text}/" and "*" not in text and url.username is None and url.password is None
