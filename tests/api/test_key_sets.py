"""Tokens that are verified with a key set: a file's, or what an issuer publishes."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.api.support import SECRET, Running, in_process, token, unsigned

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGERS_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
JWKS = {
    "keys": [
        RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa", "alg": "RS256", "use": "sig"},
        ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec", "use": "sig"},
        {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")},
    ]
}
PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def signed_with_the_public_key(user_id: str) -> str:
    """Return what algorithm confusion makes: HS256 with the text of the RSA key that everybody knows."""
    head_and_claims = unsigned(user_id, algorithm="HS256").rstrip(".")
    signature = hmac.new(PUBLIC_PEM, head_and_claims.encode(), hashlib.sha256).digest()
    return f"{head_and_claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@pytest.fixture
async def by_file(migrated_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Run a service that verifies with the keys of a file."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(JWKS))
    async with in_process(migrated_url, jwt_secret=None, jwks_file=path) as running:
        yield running


async def statuses(running: Running, tokens: dict[str, str]) -> dict[str, int]:
    """Ask with each token."""
    async with running.client() as client:
        return {
            name: (await client.get("/tasks", headers={"Authorization": f"Bearer {text}"})).status_code
            for name, text in tokens.items()
        }


async def test_a_key_set_verifies_rs256_and_es256_and_nothing_else(by_file: Running, user_id: str) -> None:
    """Neither a key of ours with another algorithm, nor a shared key, nor one that the token chooses."""
    good = {
        "rsa": token(user_id, key=RSA, algorithm="RS256", kid="rsa"),
        "ec": token(user_id, key=EC, algorithm="ES256", kid="ec"),
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


class Issuer:
    """A server that publishes keys, counts how often it is asked, and can be down."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys: list[dict[str, Any]] = JWKS["keys"]
        self.down = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = b"<html>down</html>" if issuer.down else json.dumps({"keys": issuer.keys}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"


@contextmanager
def published() -> Iterator[Issuer]:
    """Run an issuer."""
    issuer = Issuer()
    thread = threading.Thread(target=issuer.server.serve_forever)
    thread.start()
    try:
        yield issuer
    finally:
        issuer.server.shutdown()
        thread.join()
        issuer.server.server_close()


async def test_keys_of_the_issuer_are_fetched_once_and_again_for_a_new_key(
    migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotated key is found; unknown ones do not make us ask the issuer each time."""
    monkeypatch.setattr("app.api.keys._BETWEEN_FETCHES_SECONDS", 0.3)
    rsa_token = token(user_id, key=RSA, algorithm="RS256", kid="rsa")
    ec_token = token(user_id, key=EC, algorithm="ES256", kid="ec")
    with published() as issuer:
        issuer.keys = [JWKS["keys"][0]]
        async with in_process(migrated_url, jwt_secret=None, jwks_url=issuer.url) as running:
            assert set((await statuses(running, {str(n): rsa_token for n in range(20)})).values()) == {200}
            assert issuer.asked == 1
            assert set((await statuses(running, {str(n): ec_token for n in range(20)})).values()) == {401}
            assert issuer.asked == 1
            issuer.keys = JWKS["keys"]
            await asyncio.sleep(0.3)
            assert await statuses(running, {"new": ec_token}) == {"new": 200}
            assert issuer.asked == 2


async def test_keys_that_cannot_be_fetched_are_503_and_known_ones_stay_good(
    migrated_url: str, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the caller's fault; and the issuer's outage is not everybody's."""
    monkeypatch.setattr("app.api.keys._BETWEEN_FETCHES_SECONDS", 0.0)
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
            monkeypatch.setattr("app.api.keys._FRESH_SECONDS", 0.0)
            assert await statuses(running, good) == {"token": 200}


async def test_a_slow_issuer_keeps_nobody_waiting_who_needs_no_new_keys(migrated_url: str) -> None:
    """The loop is free while the keys are fetched."""
    with socket.socket() as silent:  # takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"
        async with in_process(migrated_url, jwt_secret=None, jwks_url=url) as running, running.client() as client:
            header = {"Authorization": f"Bearer {token('ada', key=RSA, algorithm='RS256', kid='rsa')}"}
            waiting = asyncio.create_task(client.get("/tasks", headers=header))
            await asyncio.sleep(0.1)
            started = time.monotonic()
            assert (await client.get("/healthz")).status_code == 200
            assert time.monotonic() - started < 1
            silent.close()
            assert (await waiting).status_code == 503
