"""A JSON Web Key Set (RFC 7517), of which only those keys are taken that can verify a token."""

import json
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

_ALGORITHMS: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
_PARTS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_PRIVATE: Final = {"d", "p", "q", "dp", "dq", "qi", "oth"}
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

    def _add(self, given: object, number: int) -> None:
        # Some libraries write what a key does not have as null.
        entry = {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else {}
        if _is_for_encryption(entry):
            return
        kid = entry.get("kid")
        name = f"key {number} ({ascii(kid)[:_MAX_SHOWN]})"
        if not isinstance(kid, str) or not kid:
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


def _is_for_encryption(entry: dict[str, Any]) -> bool:
    """Return whether a key has another purpose, which is no mistake."""
    operations = entry.get("key_ops")
    encrypts = isinstance(operations, list) and bool(operations) and not {"sign", "verify"} & set(map(str, operations))
    return entry.get("use") == "enc" or ("use" not in entry and encrypts)


def _usable(entry: dict[str, Any], name: str) -> PyJWK:
    if _PRIVATE & entry.keys():
        raise KeySetError(f"{name} is a private key, with which tokens can be signed; give the public one")
    if entry.get("use", "sig") != "sig":
        raise KeySetError(f"{name} is for the use {_shown(entry['use'])}; for signatures it must be sig")
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise KeySetError(f"{name} is for the operations {_shown(operations)}; verify must be among them")
    kind = entry.get("kty")
    algorithm = _ALGORITHMS.get(kind) if isinstance(kind, str) else None
    if algorithm is None:
        raise KeySetError(f"{name} is of type {_shown(kind)}; {_listed(_ALGORITHMS)} are supported")
    if entry.get("alg", algorithm) != algorithm:
        raise KeySetError(f"{name} is for {_shown(entry['alg'])}; {_listed(_ALGORITHMS.values())} are supported")
    if kind in _CURVES and entry.get("crv") != _CURVES[kind]:
        raise KeySetError(f"{name} is on the curve {_shown(entry.get('crv'))}; for {kind} it must be {_CURVES[kind]}")
    if missing := [part for part in _PARTS[str(kind)] if part not in entry]:
        chain = ": a certificate (x5c) alone is not read" if "x5c" in entry else ""
        raise KeySetError(f"{name} lacks {_listed(missing)}{chain}")
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
