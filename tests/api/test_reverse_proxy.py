"""The service behind nginx, with the configuration of the repository."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.api.speaking import Slow, new_conversation
from tests.api.support import bearer, served_app
from tests.support.ending import end_with_parent
from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed: the proxy's configuration is not run")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _configure(folder: Path, service: httpx.URL, port: int) -> Path:
    """Write the configuration with only its paths and addresses changed."""
    certificate = trustme.CA()
    issued = certificate.issue_cert("localhost")
    certificate.cert_pem.write_to_path(folder / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(folder / "app.pem")
    content = (ROOT / "deploy/nginx/app.conf").read_text()
    places = {
        "127.0.0.1:8000": f"{service.host}:{service.port}",
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "burst=100": "burst=20",  # fewer requests show the limit on a slow machine
        "rate=50r/s": "rate=5r/s",
        "/etc/nginx/tls/app.crt": f"{folder}/app.pem",
        "/etc/nginx/tls/app.key": f"{folder}/app.pem",
    }
    for ours, here in places.items():
        assert ours in content
        content = content.replace(ours, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{content}\n}}\n"
    )
    return path


@pytest.fixture
async def proxied(migrated_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client that verifies the proxy's certificate."""
    port = _free_port()
    async with served_app(migrated_url, assistant=Slow) as service:
        process = await asyncio.create_subprocess_exec(
            *(str(NGINX), "-c", _configure(tmp_path, service, port), "-e", tmp_path / "error.log"),
            preexec_fn=end_with_parent,
        )
        try:
            context = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            async with httpx.AsyncClient(
                base_url=f"https://localhost:{port}", verify=context, timeout=LIMIT_SECONDS
            ) as client:
                await _until_it_listens(client)
                yield client
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), LIMIT_SECONDS)


async def _until_it_listens(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            try:
                assert (await client.get("/readyz")).status_code == 200
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return


async def test_requests_and_problems_pass_through(proxied: httpx.AsyncClient, user_id: str) -> None:
    """Headers are passed on too; nginx adds only its name."""
    proxied.headers.update(bearer(user_id))
    created = await proxied.post("/tasks", json={"title": "x"})
    assert (created.status_code, "ETag" in created.headers, created.headers["Cache-Control"]) == (201, True, "no-store")
    missing = await proxied.get(f"/tasks/{2**62}")
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")
    assert (await proxied.post("/tasks", json={"title": "x" * 70_000})).json()["type"] == "urn:problem:too-large"


async def test_a_stream_passes_through_as_it_comes(proxied: httpx.AsyncClient, user_id: str) -> None:
    """Nginx does not wait for the end of the stream."""
    proxied.headers.update(bearer(user_id))
    path = await new_conversation(proxied)
    async with proxied.stream("POST", f"{path}/reply", json={"content": "count"}) as answer:
        async for line in answer.aiter_lines():
            if line == "event: piece":
                break
        stored = (await proxied.get(f"{path}/messages/latest")).json()
    assert [message["role"] for message in stored] == ["user"]


async def test_one_address_has_a_limit(proxied: httpx.AsyncClient) -> None:
    """The limit is a number of requests per second and a burst."""
    answers = await asyncio.gather(*(proxied.get("/healthz") for _ in range(100)))
    assert {answer.status_code for answer in answers} == {200, 429}
