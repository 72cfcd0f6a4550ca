"""The rules of a shared secret."""

from collections import Counter
from math import log2
from typing import Final

from pydantic import AfterValidator, SecretStr

_MIN_BYTES: Final = 32  # RFC 7518, 3.2: a key for HS256 is at least as long as its hash
_MIN_BITS: Final = 96
_ADVICE: Final = "make one with: openssl rand -hex 32"


def _checked(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value().encode(errors="surrogateescape")
    if len(value) < _MIN_BYTES:
        raise ValueError(f"must have at least {_MIN_BYTES} bytes; {_ADVICE}")
    if _bits(value) < _MIN_BITS:
        raise ValueError(f"repeats too few characters to be a secret; {_ADVICE}")
    return secret


def _bits(value: bytes) -> float:
    """Return an upper bound of what an attacker must guess: Shannon's entropy of the part that repeats."""
    part = value[: (value + value).find(value, 1)]
    return -sum(count * log2(count / len(part)) for count in Counter(part).values())


Secret = AfterValidator(_checked)
"""Refuses a secret that is short, or that anybody would guess."""
