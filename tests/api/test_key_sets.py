"""Tokens that are verified with a key set, from a file or published by an issuer."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from app.db.errors import ConfigurationError
from tests.api.issuer import (
    EC,
    EC_JWK,
    ED25519,
    ED25519_JWK,
    GOOD_KEYS,
    RSA,
    RSA_JWK,
    SHARED_JWK,
    STRANGERS_RSA,
    published,
)
from tests.api.support import Running, api_settings, in_process, token, unsigned

PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed_with_the_public_key(user_id: str) -> str:
    """Return a token for algorithm confusion: HS256 with the text of the public RSA key."""
    head_and_claims = unsigned(user_id, algorithm="HS256").rstrip(".")
    signature = hmac.new(PUBLIC_PEM, head_and_claims.encode(), hashlib.sha256).digest()
    return f"{head_and_claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.fixture
async def by_file(migrated_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Run a service that verifies with the keys of a file."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [*GOOD_KEYS, {"kty": "RSA", "use": "enc", "kid": "for encryption"}]}))
    async with in_process(migrated_url, jwt_secret=None, jwks_file=path) as running:
        yield running


async def statuses(running: Running, tokens: dict[str, str]) -> dict[str, int]:
    """Send a request with each token."""
    async with running.client() as client:
        return {
            name: (await client.get("/tasks", headers={"Authorization": f"Bearer {text}"})).status_code
            for name, text in tokens.items()
        }


async def test_a_key_set_verifies_rs256_es256_and_eddsa_and_nothing_else(by_file: Running, user_id: str) -> None:
    """A known key with another algorithm, a shared key and a key that the token names are all refused."""
    good = {
        "rsa": token(user_id, key=RSA, algorithm="RS256", kid="rsa"),
        "ec": token(user_id, key=EC, algorithm="ES256", kid="ec"),
        "ed": token(user_id, key=ED25519, algorithm="EdDSA", kid="ed"),
    }
    bad = {
        "unknown kid": token(user_id, key=RSA, algorithm="RS256", kid="other"),
        "no kid": token(user_id, key=RSA, algorithm="RS256"),
        "stranger": token(user_id, key=STRANGERS_RSA, algorithm="RS256", kid="rsa"),
        "other algorithm": token(user_id, key=RSA, algorithm="PS256", kid="rsa"),
        "key of another kind": token(user_id, key=RSA, algorithm="RS256", kid="ec"),
        "shared key of the set": token(user_id, kid="oct"),
        "public key as a secret": signed_with_the_public_key(user_id),
        "unsigned": unsigned(user_id),
    }
    assert set((await statuses(by_file, good)).values()) == {200}
    assert set((await statuses(by_file, bad)).values()) == {401}


async def test_keys_of_the_issuer_are_fetched_once_and_again_for_a_new_key(
    migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotated key is found; an unknown one does not cause a request to the issuer each time."""
    monkeypatch.setattr("app.api.keys.issuer._BETWEEN_FETCHES_SECONDS", 3600.0)
    rsa_token = token(user_id, key=RSA, algorithm="RS256", kid="rsa")
    ec_token = token(user_id, key=EC, algorithm="ES256", kid="ec")
    with published() as issuer:
        issuer.keys = [RSA_JWK]
        async with in_process(migrated_url, jwt_secret=None, jwks_url=issuer.url) as running:
            assert set((await statuses(running, {str(n): rsa_token for n in range(20)})).values()) == {200}
            assert issuer.asked == 1
            assert set((await statuses(running, {str(n): ec_token for n in range(20)})).values()) == {401}
            assert issuer.asked == 1
            issuer.keys = GOOD_KEYS
            monkeypatch.setattr("app.api.keys.issuer._BETWEEN_FETCHES_SECONDS", 0.0)
            assert await statuses(running, {"new": ec_token}) == {"new": 200}
            assert issuer.asked == 2


async def test_keys_that_cannot_be_fetched_are_503_and_known_ones_stay_good(
    migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is not to blame, and an issuer's outage must not affect every caller."""
    monkeypatch.setattr("app.api.keys.issuer._BETWEEN_FETCHES_SECONDS", 0.0)
    good = {"token": token(user_id, key=RSA, algorithm="RS256", kid="rsa")}
    with published() as issuer:
        async with in_process(migrated_url, jwt_secret=None, jwks_url=issuer.url) as running:
            issuer.down = True
            async with running.client() as client:
                answer = await client.get("/tasks", headers={"Authorization": f"Bearer {good['token']}"})
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
            issuer.down = False
            assert await statuses(running, good) == {"token": 200}
            issuer.down = True
            monkeypatch.setattr("app.api.keys.issuer._FRESH_SECONDS", 0.0)
            assert await statuses(running, good) == {"token": 200}


SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
P384 = ec.generate_private_key(ec.SECP384R1())
UNUSABLE: dict[str, tuple[Any, str]] = {
    "no JSON": (b"<html>", "not JSON"),
    "deep": (b"[" * 100_000, "not JSON"),
    "no set": ([], "not a key set"),
    "no keys": ({"keys": []}, "no key for signatures"),
    "not a key": ({"keys": [1]}, "key 1"),
    "a key for encryption alone": ({"keys": [{**RSA_JWK, "use": "enc"}]}, "no key for signatures"),
    "a shared key": ({"keys": [RSA_JWK, SHARED_JWK]}, "key 2 ('oct') is of type 'oct'"),
    "no id": ({"keys": [{name: value for name, value in RSA_JWK.items() if name != "kid"}]}, "no `kid`"),
    "one id for two": ({"keys": [RSA_JWK, {**EC_JWK, "kid": "rsa"}]}, "key 2 ('rsa') has the `kid`"),
    "another algorithm": ({"keys": [{**RSA_JWK, "alg": "PS256"}]}, "'PS256'"),
    "an algorithm that is none": ({"keys": [{**RSA_JWK, "alg": "none"}]}, "'none'"),
    "another curve": (
        {"keys": [ECAlgorithm.to_jwk(P384.public_key(), as_dict=True) | {"kid": "ec"}]},
        "the curve 'P-384'",
    ),
    "Ed448": ({"keys": [{**ED25519_JWK, "crv": "Ed448"}]}, "the curve 'Ed448'"),
    "a key agreement": ({"keys": [{**ED25519_JWK, "crv": "X25519"}]}, "the curve 'X25519'"),
    "Ed25519 by its new name": ({"keys": [{**ED25519_JWK, "alg": "Ed25519"}]}, "is for 'Ed25519'"),
    "an unknown use": ({"keys": [{**RSA_JWK, "use": "SIG"}]}, "key 1 ('rsa') is for the use 'SIG'"),
    "operations to sign": ({"keys": [{**RSA_JWK, "key_ops": ["sign"]}]}, "is for the operations ['sign']; verify"),
    "no operations": ({"keys": [{**RSA_JWK, "key_ops": []}]}, "is for the operations []"),
    "operations as text": ({"keys": [{**RSA_JWK, "key_ops": "verify"}]}, "is for the operations 'verify'"),
    "operations to encrypt alone": ({"keys": [{**RSA_JWK, "key_ops": ["encrypt"]}]}, "no key for signatures"),
    "a certificate alone": (
        {"keys": [{"kty": "RSA", "kid": "chain", "use": "sig", "x5c": ["MIIC"]}]},
        "key 1 ('chain') lacks n, e: a certificate (x5c) alone is not read",
    ),
    "half a point": ({"keys": [{**EC_JWK, "y": None}]}, "key 1 ('ec') lacks y"),
    "a private key's factors": ({"keys": [{**RSA_JWK, "p": "AQ", "q": "AQ"}]}, "private key"),
    "a short RSA key": (
        {"keys": [RSAAlgorithm.to_jwk(SMALL_RSA.public_key(), as_dict=True) | {"kid": "short"}]},
        "key 1 ('short') has 1024 bits",
    ),
    "a private key": ({"keys": [RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"kid": "rsa"}]}, "private key"),
    "a damaged key": ({"keys": [{**RSA_JWK, "n": "!"}]}, "damaged"),
    "101 keys": ({"keys": [RSA_JWK] * 101}, "more than 100"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_key_that_will_never_verify_is_refused_at_start_by_name(tmp_path: Path, name: str) -> None:
    """Otherwise the service would start and refuse every token with a 401."""
    content, says = UNUSABLE[name]
    path = tmp_path / "jwks.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ConfigurationError) as refused:
        api_settings(jwt_secret=None, jwks_file=path)
    assert says in str(refused.value)
    assert "jwks_file" in str(refused.value)


def test_what_says_nothing_is_left_out(tmp_path: Path) -> None:
    """Null members, keys for encryption beside others, and members that nobody reads are no mistake."""
    path = tmp_path / "jwks.json"
    aside = {"kty": "RSA", "kid": "other", "key_ops": ["wrapKey"]}
    bare = {name: value for name, value in ED25519_JWK.items() if name not in ("alg", "use")}
    keys = [{**RSA_JWK, "alg": None, "use": None, "x5c": ["MIIC"], "ext": True}, {**bare, "key_ops": ["verify"]}, aside]
    path.write_text(json.dumps({"keys": keys}))
    assert api_settings(jwt_secret=None, jwks_file=path).jwks_file == path


async def test_a_key_of_the_issuer_that_cannot_verify_is_named_in_the_log(
    migrated_url: str, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The other keys work: an issuer may publish keys that the service cannot use."""
    good = {"token": token(user_id, key=RSA, algorithm="RS256", kid="rsa")}
    with published() as issuer:
        issuer.keys = [SHARED_JWK, RSA_JWK]
        async with in_process(migrated_url, jwt_secret=None, jwks_url=issuer.url) as running:
            assert await statuses(running, good) == {"token": 200}
    assert "key 1 ('oct') is of type 'oct'" in caplog.text


async def test_a_known_key_never_waits_for_the_issuer(
    migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stale keys are used while new ones are fetched; a silent issuer gets one request at a time."""
    monkeypatch.setattr("app.api.keys.issuer._BETWEEN_FETCHES_SECONDS", 0.0)
    good = {"token": token(user_id, key=RSA, algorithm="RS256", kid="rsa")}
    with published() as issuer, silent_server() as silent:
        async with in_process(migrated_url, jwt_secret=None, jwks_url=issuer.url) as running:
            assert await statuses(running, good) == {"token": 200}
            monkeypatch.setattr("app.api.keys.issuer._FRESH_SECONDS", 0.0)
            keys = running.services.tokens._keys
            monkeypatch.setattr(keys, "_url", f"http://127.0.0.1:{silent.getsockname()[1]}/")
            async with asyncio.timeout(50):  # to wait for 20 fetches takes 100 s
                for _ in range(20):
                    assert await statuses(running, good) == {"token": 200}


async def test_only_a_token_with_an_unknown_key_waits_for_the_issuer(migrated_url: str) -> None:
    """The fetch does not block the loop, and a shutdown ends it."""
    with silent_server() as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"
        async with in_process(migrated_url, jwt_secret=None, jwks_url=url) as running, running.client() as client:
            header = {"Authorization": f"Bearer {token('ada', key=RSA, algorithm='RS256', kid='rsa')}"}
            waiting = asyncio.create_task(client.get("/tasks", headers=header))
            with (await asyncio.to_thread(silent.accept))[0]:
                assert (await client.get("/healthz")).status_code == 200
                assert not waiting.done()
            assert (await waiting).status_code == 503


def silent_server() -> socket.socket:
    """Return a server that accepts connections and never responds."""
    return socket.create_server(("127.0.0.1", 0))
