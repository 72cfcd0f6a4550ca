"""Requests from web pages of other origins."""

import httpx
import pytest

from app.db.errors import ConfigurationError
from tests.api.support import Running, api_settings, in_process

PAGE = "https://app.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


def permits(answer: httpx.Response) -> str | None:
    """Return the origin that may read the response."""
    origin: str | None = answer.headers.get("Access-Control-Allow-Origin")
    return origin


async def test_no_page_may_call_the_service_by_default(api: Running) -> None:
    """A preflight request needs no token."""
    async with api.client() as client:
        answer = await client.options("/tasks", headers=PREFLIGHT)
    assert (answer.status_code, permits(answer)) == (401, None)


async def test_a_page_that_the_settings_name_may(migrated_url: str, user_id: str) -> None:
    """Its pages may use the service's request and response headers, also of errors, and never cookies."""
    async with in_process(migrated_url, cors_origins=f"{PAGE}, http://localhost:3000") as running:
        async with running.client() as client:
            preflight = await client.options("/tasks", headers=PREFLIGHT)
            other = await client.options("/tasks", headers=PREFLIGHT | {"Origin": "https://evil.example"})
            refused = await client.get("/tasks", headers={"Origin": PAGE})
        async with running.client(user_id) as client:
            created = await client.post("/tasks", json={"title": "x"}, headers={"Origin": PAGE})
    assert (preflight.status_code, permits(preflight)) == (200, PAGE)
    assert {"authorization", "content-type", "idempotency-key", "if-match"} <= {
        name.strip().lower() for name in preflight.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert permits(other) is None
    assert (refused.status_code, permits(refused)) == (401, PAGE)
    assert (created.status_code, permits(created)) == (201, PAGE)
    assert "etag" in created.headers["Access-Control-Expose-Headers"].lower()
    for answer in (preflight, refused, created):
        assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_every_page_may_if_the_settings_say_so(migrated_url: str) -> None:
    """The page itself sends the token: without credentials `*` reveals nothing."""
    async with in_process(migrated_url, cors_origins="*") as running, running.client() as client:
        answer = await client.options("/tasks", headers=PREFLIGHT)
    assert permits(answer) == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        "app.example",
        "//app.example",
        "https://",
        "https://app.example/",
        "https://app.example/path",
        "https://app.example?x",
        "https://App.example",
        "HTTPS://app.example",
        "https://app.example:443",
        "https://app.example:",
        "https://user@app.example",
        "https://bücher.example",
        "null",
        "file://",
        "https://*",
        "https://*.example.com",
        "^https://.*$",
        '["https://app.example"]',
        "https://a.example;https://b.example",
        "*, https://app.example",
    ],
)
def test_what_is_no_origin_is_refused_at_start(origin: str) -> None:
    """Browsers compare origins as text: a value that they never send would never match."""
    with pytest.raises(ConfigurationError, match="cors_origins"):
        api_settings(cors_origins=origin)


def test_origins_are_separated_by_commas_or_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment variable accepts both, and an empty value means no origins."""
    monkeypatch.setenv("API_CORS_ORIGINS", "https://a.example, https://b.example")
    assert api_settings().cors_origins == ("https://a.example", "https://b.example")
    monkeypatch.setenv("API_CORS_ORIGINS", "")
    assert api_settings().cors_origins == ()
    assert api_settings(cors_origins="https://a.example,https://b.example").cors_origins == (
        "https://a.example",
        "https://b.example",
    )
    assert api_settings(cors_origins="").cors_origins == ()
    others = ("http://localhost:3000", "http://[::1]:3000", "https://xn--bcher-kva.example", "capacitor://localhost")
    assert api_settings(cors_origins=",".join(others)).cors_origins == others
