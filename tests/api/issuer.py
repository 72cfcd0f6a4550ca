"""An issuer of tokens that publishes its keys, counts the requests, and can be down."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.api.support import SECRET

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGERS_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA_JWK: dict[str, Any] = RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa", "alg": "RS256"}
EC_JWK: dict[str, Any] = ECAlgorithm.to_jwk(EC.public_key(), as_dict=True) | {"kid": "ec", "use": "sig"}
ED25519_JWK: dict[str, Any] = OKPAlgorithm.to_jwk(ED25519.public_key(), as_dict=True) | {"kid": "ed"}
SHARED_JWK = {"kty": "oct", "kid": "oct", "k": base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("=")}
GOOD_KEYS = [RSA_JWK, EC_JWK, ED25519_JWK]


class Issuer:
    """The server that the service's ``API_JWKS_URL`` points at."""

    def __init__(self) -> None:
        self.asked = 0
        self.keys = GOOD_KEYS
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

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
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
