"""The page of the documentation."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app.api import create_app
from app.api.dev import create_dev_app, dev_settings
from app.db import DatabaseSettings
from tests.api.support import Running, api_settings, running, served

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROWSER_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-component-update", "--dump-dom")


@pytest.fixture
async def dev(migrated_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of the development service."""
    async with running(create_dev_app(database=DatabaseSettings(url=migrated_url))) as dev, dev.client() as client:
        client.base_url = httpx.URL("http://127.0.0.1:8000")
        yield client


class Addresses(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        """Keep the addresses of scripts, styles and pictures."""
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


async def test_the_front_door_leads_to_the_documentation(dev: httpx.AsyncClient) -> None:
    """The development server redirects, because a reader begins there."""
    assert (await dev.get("/", follow_redirects=True)).url.path == "/docs"


async def test_the_page_loads_everything_from_the_service(dev: httpx.AsyncClient) -> None:
    """It works without internet: every address is on this host, and each exists."""
    page = (await dev.get("/docs")).text
    addresses = Addresses()
    addresses.feed(page)
    assert len(addresses.found) == 3
    assert [address for address in addresses.found if urlsplit(address).netloc] == []
    assert re.findall(r"https?://[^\s\"']+", page) == []
    sizes = [len((await dev.get(address)).raise_for_status().content) for address in addresses.found]
    assert max(sizes) > 1_000_000  # Swagger UI itself
    assert "http://" not in (await dev.get("/openapi.json")).json().get("servers", [{}])[0].get("url", "")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed: the page is only parsed")
async def test_the_page_renders_in_a_browser_that_reaches_no_other_host(migrated_url: str, tmp_path: Path) -> None:
    """The browser can resolve no name but the service's."""
    settings = dev_settings()
    app = create_dev_app(settings, database=DatabaseSettings(url=migrated_url))

    def render() -> str:
        with served(app, settings) as address:
            rules = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
            command = [
                str(BROWSER),
                *BROWSER_OPTIONS,
                rules,
                f"--user-data-dir={tmp_path}",
                "--virtual-time-budget=8000",
            ]
            ran = subprocess.run(
                [*command, f"{address}/docs"], capture_output=True, text=True, timeout=100, check=False
            )
            return ran.stdout

    rendered = await asyncio.to_thread(render)
    assert "List tasks, newest first" in rendered or "/tasks/{task_id}" in rendered


async def test_the_documentation_is_off_by_default(migrated_url: str) -> None:
    """The pages are off unless an operator turns them on, with a token or without."""
    settings = api_settings(docs=False)
    app = create_app(settings, database=DatabaseSettings(url=migrated_url))
    async with running(app) as service:
        async with service.client("ada") as client:
            for path in ("/docs", "/openapi.json", "/redoc", "/docs/swagger-ui-bundle.js", "/"):
                assert (await client.get(path)).status_code == 404, path
        async with service.client() as client:
            assert (await client.get("/docs")).status_code == 401


async def test_the_production_service_has_no_front_door(api: Running) -> None:
    """Only the development server has the redirect."""
    async with api.client("ada") as client:
        assert (await client.get("/")).status_code == 404
