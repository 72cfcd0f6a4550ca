"""A reply is stored whole when its client disconnects or the service shuts down."""

import asyncio
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.speaking import WHOLE, HeldByFile, Slow, new_conversation
from tests.api.support import AUDIENCE, ISSUER, SECRET, bearer, in_process, served_app
from tests.support.ending import end_with_parent
from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[2]
MOMENTS: dict[str, Callable[[bytes], bool]] = {
    "before the first byte": lambda _: True,
    "at the first piece": lambda received: b"event: piece" in received,
    "after the last piece": lambda received: b"9 " in received,
    "at the end": lambda received: b"event: message" in received,
}


async def contents(client: httpx.AsyncClient, path: str, count: int) -> list[str]:
    """Return the messages once there are `count` of them."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while len(messages := (await client.get(f"{path}/messages")).json()["items"]) < count:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.05)
    return [message["content"] for message in messages]


async def ask_and_hang_up(address: httpx.URL, path: str, user_id: str, when: Callable[[bytes], bool]) -> None:
    """Send the whole request, and reset the connection once enough has been received."""
    body = b'{"content": "count"}'
    head = f"POST {path}/reply HTTP/1.1\r\nHost: test\r\nAuthorization: {bearer(user_id)['Authorization']}\r\n"
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    received = b""
    while not when(received):
        received += await asyncio.wait_for(reader.read(65_536), LIMIT_SECONDS)
    writer.transport.abort()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_the_answer_is_stored_whole_when_the_client_hangs_up(
    migrated_url: str, user_id: str, moment: str
) -> None:
    """The service finishes it without a reader."""
    async with (
        served_app(migrated_url, assistant=Slow) as address,
        httpx.AsyncClient(base_url=address, headers=bearer(user_id)) as client,
    ):
        path = await new_conversation(client)
        await ask_and_hang_up(address, path, user_id, MOMENTS[moment])
        assert await contents(client, path, 2) == ["count", WHOLE]


@asynccontextmanager
async def process(url: str, told: Path, *options: str) -> AsyncIterator[tuple[httpx.URL, asyncio.subprocess.Process]]:
    """Run the service in its own process, as the container does; it must have exited when the block ends."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "API_JWT_SECRET": SECRET,
        "API_JWT_ISSUER": ISSUER,
        "API_JWT_AUDIENCE": AUDIENCE,
        "API_ASSISTANT": f"{HeldByFile.__module__}:{HeldByFile.__name__}",
        HeldByFile.VARIABLE: str(told),
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = ["-m", "app.api", "--fd", str(listener.fileno()), *options]
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=ROOT,
            env=environment,
            pass_fds=[listener.fileno()],
            preexec_fn=end_with_parent,
        )
        try:
            yield httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}"), running
            await asyncio.wait_for(running.wait(), LIMIT_SECONDS)
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()


async def ask(client: httpx.AsyncClient, path: str) -> str:
    """Return what arrives of a response."""
    heard = ""
    try:
        async with client.stream("POST", f"{path}/reply", json={"content": "talk"}) as answer:
            async for text in answer.aiter_text():
                heard += text
    except httpx.HTTPError:
        pass
    return heard


@pytest.mark.parametrize(("options", "last_heard"), [((), "message"), (("--grace-seconds", "1"), "piece")])
async def test_a_service_that_is_told_to_end_stores_every_answer_that_it_began(
    migrated_url: str, user_id: str, tmp_path: Path, options: tuple[str, ...], last_heard: str
) -> None:
    """After a SIGTERM in mid-stream, clients get the rest while time remains, and no reply is lost."""
    told = tmp_path / "go on"
    async with (
        process(migrated_url, told, *options) as (address, service),
        httpx.AsyncClient(base_url=address, headers=bearer(user_id), timeout=LIMIT_SECONDS) as client,
    ):
        listened, left = await new_conversation(client), await new_conversation(client)
        listening, leaving = asyncio.create_task(ask(client, listened)), asyncio.create_task(ask(client, left))
        for path in (listened, left):
            assert await contents(client, path, 1) == ["talk"]
        leaving.cancel()
        service.send_signal(signal.SIGTERM)
        if last_heard == "message":
            told.touch()
        assert re.findall(r"^event: (\w+)", await listening, re.MULTILINE)[-1] == last_heard
        told.touch()
        await asyncio.wait([leaving])
    async with in_process(migrated_url) as running, running.client(user_id) as client:
        for path in (listened, left):
            assert await contents(client, path, 2) == ["talk", WHOLE]
