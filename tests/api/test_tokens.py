"""Which tokens are accepted."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import ApiSettings
from app.api.errors import InvalidTokenError
from app.api.tokens import TokenVerifier
from app.db.errors import ConfigurationError
from tests.api.support import AUDIENCE, ISSUER, SECRET, Running, api_settings, token, unsigned
from tests.support.collector import recorded_of

REFUSED: dict[str, str] = {
    "nonsense": "nonsense",
    "not even base64": "a.b.c",
    "forged": token("ada", key="another secret, of thirty-two bytes."),
    "unsigned": unsigned("ada"),
    "unsigned in disguise": unsigned("ada", algorithm="HS256"),
    "expired": token("ada", exp=time.time() - 60),
    "without expiry": token("ada", exp=None),
    "not yet valid": token("ada", nbf=time.time() + 3600),
    "for another audience": token("ada", aud="billing"),
    "without audience": token("ada", aud=None),
    "of another issuer": token("ada", iss="https://evil.test"),
    "without issuer": token("ada", iss=None),
    "without subject": token("ada", sub=None),
    "empty subject": token(""),
    "long subject": token("a" * 256),
    "subject with NUL": token("a\0b"),
    "other algorithm": token("ada", key=SECRET * 2, algorithm="HS512"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_token_that_does_not_verify_is_refused(api: Running, name: str) -> None:
    """The response is a 401 with the header that says how to authenticate, and repeats nothing of the token."""
    async with api.client() as client:
        answer = await client.get("/tasks", headers={"Authorization": f"Bearer {REFUSED[name]}"})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:problem:invalid-token")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert REFUSED[name] not in answer.text


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", SECRET])
async def test_a_request_without_a_token_is_refused(api: Running, header: str | None) -> None:
    """Every route but the health routes requires one."""
    async with api.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            for method in operations if "z" not in path else ():
                headers = {"Authorization": header} if header is not None else {}
                url = path.format(task_id=1, conversation_id=1)
                answer = await client.request(
                    method, url, headers=headers, json={"title": "x", "role": "user", "content": "x"}
                )
                assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), (method, path)


async def test_the_longest_user_id_is_accepted(api: Running) -> None:
    """The limit is 255 characters, as in the tables."""
    async with api.client("ü" * 255) as client:
        assert (await client.get("/tasks")).status_code == 200


VERIFIER = TokenVerifier(api_settings())


@settings(max_examples=300, derandomize=True, suppress_health_check=list(HealthCheck), deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.lists(st.binary(), min_size=3, max_size=3).map(
            lambda parts: ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        ),
    )
)
def test_whatever_is_sent_as_a_token_is_an_invalid_token(text: str) -> None:
    """The verifier handles any text without an unexpected error."""
    with pytest.raises(InvalidTokenError):
        asyncio.run(VERIFIER.user_id(text))


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"jwt_secret": "short"},
        {"jwt_secret": SECRET, "jwks_url": "https://issuer.test/jwks"},
        {"jwks_url": "file:///etc/passwd"},
        {"jwks_url": "http://issuer.test/jwks"},
    ],
)
def test_settings_without_exactly_one_good_source_of_keys_are_refused(
    keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There is no default, weak secrets and two sources are refused, and the text does not show the secret."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as refused:
        ApiSettings(jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **keys)
    assert SECRET not in recorded_of(refused.value)
