"""From a token to a user."""

from pathlib import Path
from typing import Any, Final, Protocol

import jwt
from jwt import PyJWK
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from app.api.errors import InvalidTokenError
from app.api.keys.issuer import IssuerKeys
from app.api.keys.key_set import checked_key_set
from app.api.keys.verified import VerifiedTokens
from app.api.settings import ApiSettings
from app.db.errors import InvalidInputError
from app.repositories.checks import checked_user_id

_LEEWAY_SECONDS: Final = 10  # clocks differ
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_SYMMETRIC: Final = "HS256"


class Keys(Protocol):
    """Finds the key that a token names."""

    async def find(self, kid: str | None) -> PyJWK | str:
        """Return the key of this id, or the shared secret; raises `InvalidTokenError`, `KeysUnavailableError`."""
        ...

    async def close(self) -> None:
        """Stop fetching."""
        ...


class TokenVerifier:
    """Accepts a token that its issuer signed, for us, and that has not expired."""

    def __init__(self, settings: ApiSettings) -> None:
        self._keys = _keys_of(settings)
        self._verified = VerifiedTokens()
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    async def user_id(self, token: str) -> str:
        """Return whose token it is (``sub``); raises `InvalidTokenError`, `KeysUnavailableError`."""
        if user_id := self._verified.get(token):
            return user_id
        try:
            claims = await self._claims(token)
            user_id = checked_user_id(claims["sub"])
        except ExpiredSignatureError:
            raise InvalidTokenError("the token has expired") from None
        # A token can nest more deeply than Python's parser goes, or hold what a claim's check did not expect.
        except (PyJWTError, InvalidInputError, RecursionError, ValueError, TypeError) as error:
            raise InvalidTokenError from error
        self._verified.add(token, user_id, expires_at=float(claims["exp"]))
        return user_id

    async def close(self) -> None:
        """Stop fetching keys."""
        await self._keys.close()

    async def _claims(self, token: str) -> dict[str, Any]:
        kid = jwt.get_unverified_header(token).get("kid")
        key = await self._keys.find(kid if isinstance(kid, str) else None)
        return jwt.decode(
            token,
            key,
            # The key's own algorithm, never the token's choice, which a forger makes.
            algorithms=[key.algorithm_name if isinstance(key, PyJWK) else _SYMMETRIC],
            audience=self._audience,
            issuer=self._issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )


class _SharedSecret:
    """One secret, known to us and to the issuer; it has no id."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def find(self, kid: str | None) -> str:  # noqa: ARG002 - see the class
        return self._secret

    async def close(self) -> None:
        pass


class _FileKeys:
    """The keys of a file, read once."""

    def __init__(self, path: Path) -> None:
        self._keys = checked_key_set(path.read_bytes()).keys

    async def find(self, kid: str | None) -> PyJWK:
        if kid is None or kid not in self._keys:
            raise InvalidTokenError
        return self._keys[kid]

    async def close(self) -> None:
        pass


def _keys_of(settings: ApiSettings) -> Keys:
    if settings.jwt_secret:
        return _SharedSecret(settings.jwt_secret.get_secret_value())
    if settings.jwks_file:
        return _FileKeys(settings.jwks_file)
    return IssuerKeys(str(settings.jwks_url))
