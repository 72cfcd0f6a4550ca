"""The keys that tokens are verified with: a shared secret, a file, or what the issuer publishes."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from jwt import PyJWK, PyJWKClient, PyJWKSet
from jwt.exceptions import PyJWTError

from app.api.errors import InvalidTokenError, KeysUnavailableError
from app.api.settings import ApiSettings

_SYMMETRIC: Final = ("HS256",)
_ASYMMETRIC: Final = ("RS256", "ES256")
_FETCH_SECONDS: Final = 5.0
_FRESH_SECONDS: Final = 300.0
_BETWEEN_FETCHES_SECONDS: Final = 10.0
_TRUSTED_SECONDS: Final = 3600.0


class Keys(Protocol):
    """Finds keys, and says for which algorithms: never the token's own choice, which a forger makes."""

    algorithms: Sequence[str]

    async def find(self, kid: str | None) -> PyJWK | str:
        """Return the key of this id; raises `InvalidTokenError`, `KeysUnavailableError`."""
        ...


class SharedSecret:
    """One secret, known to us and to the issuer."""

    algorithms: Sequence[str] = _SYMMETRIC

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def find(self, kid: str | None) -> str:  # noqa: ARG002 - a shared secret has no id
        """Return the secret."""
        return self._secret


class FileKeys:
    """The keys of a JSON Web Key Set in a file, read once."""

    algorithms: Sequence[str] = _ASYMMETRIC

    def __init__(self, path: Path) -> None:
        self._keys = _by_id(PyJWKSet.from_json(path.read_text()).keys)

    async def find(self, kid: str | None) -> PyJWK:
        """Return the key of this id; raises `InvalidTokenError`."""
        return _known(self._keys, kid)


class IssuerKeys:
    """What the issuer publishes: fetched when it is needed, kept for 5 minutes, for an hour if it cannot be reached.

    A token that names an unknown key has it fetched again, but not more often than every 10 seconds.
    """

    algorithms: Sequence[str] = _ASYMMETRIC

    def __init__(self, url: str) -> None:
        self._client = PyJWKClient(url, cache_jwk_set=False, timeout=_FETCH_SECONDS)
        self._keys: dict[str, PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None) -> PyJWK:
        """Return the key of this id; raises `InvalidTokenError`, `KeysUnavailableError`."""
        if self._is_due(kid):
            async with self._fetching:
                if self._is_due(kid):
                    await self._fetch()
        if time.monotonic() - self._fetched > _TRUSTED_SECONDS:
            raise KeysUnavailableError
        return _known(self._keys, kid)

    def _is_due(self, kid: str | None) -> bool:
        now = time.monotonic()
        wanted = kid not in self._keys or now - self._fetched > _FRESH_SECONDS
        return wanted and now - self._tried > _BETWEEN_FETCHES_SECONDS

    async def _fetch(self) -> None:
        try:
            # The client is synchronous: in a thread it keeps nobody waiting who needs no new keys.
            keys = await asyncio.to_thread(self._client.get_signing_keys)
        except (PyJWTError, OSError, ValueError):  # the answer may break off, or be no JSON
            pass
        else:
            self._keys, self._fetched = _by_id(keys), time.monotonic()
        self._tried = time.monotonic()


def keys_of(settings: ApiSettings) -> Keys:
    """Return the keys that the settings name."""
    if settings.jwt_secret:
        return SharedSecret(settings.jwt_secret.get_secret_value())
    if settings.jwks_file:
        return FileKeys(settings.jwks_file)
    return IssuerKeys(str(settings.jwks_url))


def _by_id(keys: Sequence[PyJWK]) -> dict[str, PyJWK]:
    return {key.key_id: key for key in keys if key.key_id}


def _known(keys: dict[str, PyJWK], kid: str | None) -> PyJWK:
    if kid is None or kid not in keys:
        raise InvalidTokenError
    return keys[kid]
