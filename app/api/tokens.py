"""From a token to a user."""

from typing import Final

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from app.api.errors import InvalidTokenError
from app.api.keys import keys_of
from app.api.settings import ApiSettings
from app.db.errors import InvalidInputError
from app.repositories.checks import checked_user_id

_LEEWAY_SECONDS: Final = 10  # clocks differ
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]


class TokenVerifier:
    """Believes a token that its issuer signed, for us, and that has not expired."""

    def __init__(self, settings: ApiSettings) -> None:
        self._keys = keys_of(settings)
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience

    async def user_id(self, token: str) -> str:
        """Return whose token it is (``sub``); raises `InvalidTokenError`, `KeysUnavailableError`."""
        try:
            return await self._verified(token)
        except ExpiredSignatureError:
            raise InvalidTokenError("the token has expired") from None
        except (PyJWTError, InvalidInputError) as error:
            raise InvalidTokenError from error

    async def _verified(self, token: str) -> str:
        key = await self._keys.find(jwt.get_unverified_header(token).get("kid"))
        claims = jwt.decode(
            token,
            key,
            algorithms=self._keys.algorithms,
            audience=self._audience,
            issuer=self._issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
        return checked_user_id(claims["sub"])
