"""The keys that an issuer publishes."""

import asyncio
import logging
import time
from typing import Final

from jwt import PyJWK

from app.api.errors import InvalidTokenError, KeysUnavailableError
from app.api.keys.key_set import KeySet, KeySetError

_log = logging.getLogger(__name__)
_MAX_BYTES: Final = 262_144
_FETCH_SECONDS: Final = 5.0
_FRESH_SECONDS: Final = 300.0
_BETWEEN_FETCHES_SECONDS: Final = 10.0
_TRUSTED_SECONDS: Final = 3600.0


class IssuerKeys:
    """Fetched when they are needed, again every 5 minutes, and trusted for an hour if the issuer cannot be reached.

    A known key never waits: it is used while a fetch runs beside it. A token that names an unknown key waits for a
    fetch, of which there is one every 10 seconds at most.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> PyJWK:
        """Return the key of this id; raises `InvalidTokenError`, `KeysUnavailableError`."""
        age = time.monotonic() - self._fetched
        known = kid in self._keys and age <= _TRUSTED_SECONDS
        if not known or age > _FRESH_SECONDS:
            self._fetch_if_due()
        if not known and self._fetching:
            await asyncio.shield(self._fetching)
        if time.monotonic() - self._fetched > _TRUSTED_SECONDS:
            raise KeysUnavailableError
        if kid is None or kid not in self._keys:
            raise InvalidTokenError
        return self._keys[kid]

    async def close(self) -> None:
        """Stop fetching."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _fetch_if_due(self) -> None:
        if self._fetching is None and time.monotonic() - self._tried > _BETWEEN_FETCHES_SECONDS:
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            found = KeySet(await _published(self._url))
        except Exception as error:  # noqa: BLE001 - whatever an issuer does, the keys that are known stay good
            _log.warning("the keys of %s could not be fetched: %s: %s", self._url, type(error).__name__, error)
        else:
            self._keys, self._fetched = found.keys, time.monotonic()
            for problem in found.problems[:3]:
                _log.warning("%s: %s; it is not used", self._url, problem)
        finally:
            self._tried, self._fetching = time.monotonic(), None


async def _published(url: str) -> bytes:
    import httpx2  # noqa: PLC0415 - 40 ms of import, for those who have an issuer only

    content = bytearray()
    # As it stands, since a compressed answer of a few kB can become any number of GB; no redirects, as PyJWT's client.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with (
        asyncio.timeout(_FETCH_SECONDS),
        httpx2.AsyncClient(timeout=_FETCH_SECONDS) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        answer.raise_for_status()
        async for part in answer.aiter_raw():
            content += part
            if len(content) > _MAX_BYTES:
                raise KeySetError(f"it is longer than {_MAX_BYTES:,} bytes")
    return bytes(content)
