"""A JSON Web Key Set (RFC 7517), of which only those keys are taken that can verify a token."""

import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_CURVES: Final = {"EC": "P-256", "OKP": "Ed25519"}
_MAX_KEYS: Final = 100
_RSA_BITS: Final = range(2048, 8193)  # below, it can be factored; above, each signature costs milliseconds
_MAX_SHOWN: Final = 60


class KeySetError(ValueError):
    """The key set, or a key of it, can never verify a token; the text names it and says why."""


class KeySet:
    """The usable keys by their id, and what is wrong with the others."""

    def __init__(self, content: bytes) -> None:
        self.keys: dict[str, PyJWK] = {}
        self.problems: list[str] = []
        for number, entry in enumerate(_entries(content), start=1):
            try:
                self._add(entry, number)
            except KeySetError as error:
                self.problems.append(str(error))
        if not self.keys:
            raise KeySetError("; ".join(self.problems[:3]) or "the key set has no key for signatures")

    def _add(self, entry: object, number: int) -> None:
        if isinstance(entry, dict) and entry.get("use", "sig") != "sig":
            return  # of another purpose, which is no mistake
        kid = entry.get("kid") if isinstance(entry, dict) else None
        name = f"key {number} ({ascii(kid)[:_MAX_SHOWN]})"
        if not isinstance(entry, dict) or not isinstance(kid, str) or not kid:
            raise KeySetError(f"{name} has no `kid`, by which a token could name it")
        if kid in self.keys:
            raise KeySetError(f"{name} has the `kid` of another key")
        self.keys[kid] = _usable(entry, name)


def checked_key_set(content: bytes) -> KeySet:
    """Return the set if every key of it can verify a token; raises `KeySetError`."""
    found = KeySet(content)
    if found.problems:
        raise KeySetError("; ".join(found.problems[:3]))
    return found


def _entries(content: bytes) -> list[Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetError("it is not JSON") from None
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeySetError('it is not a key set: an object with a list "keys"')
    if len(entries) > _MAX_KEYS:
        raise KeySetError(f"it has {len(entries):,} keys, more than {_MAX_KEYS}")
    return entries


def _usable(entry: dict[str, Any], name: str) -> PyJWK:
    kind = entry.get("kty")
    algorithm = _ALGORITHMS.get(kind) if isinstance(kind, str) else None
    if algorithm is None:
        raise KeySetError(f"{name} is of type {_shown(kind)}; {_listed(_ALGORITHMS)} are supported")
    if entry.get("alg", algorithm) != algorithm:
        raise KeySetError(f"{name} is for {_shown(entry['alg'])}; {_listed(_ALGORITHMS.values())} are supported")
    if kind in _CURVES and entry.get("crv") != _CURVES[kind]:
        raise KeySetError(f"{name} is on the curve {_shown(entry.get('crv'))}; for {kind} it must be {_CURVES[kind]}")
    if "d" in entry:
        raise KeySetError(f"{name} is a private key, with which tokens can be signed; give the public one")
    try:
        key = PyJWK(entry, algorithm)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        raise KeySetError(f"{name} is damaged") from None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size not in _RSA_BITS:
        raise KeySetError(f"{name} has {key.key.key_size} bits; RSA keys have {_RSA_BITS[0]} to {_RSA_BITS[-1]}")
    return key


def _shown(value: object) -> str:
    return ascii(value)[:_MAX_SHOWN]


def _listed(names: Any) -> str:
    return ", ".join(names)
