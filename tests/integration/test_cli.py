"""The commands, as a person runs them."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from sqlalchemy import text

from app.db import Database, DatabaseSettings

MakeDatabase = Callable[..., Awaitable[str]]
_NO_URL = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}


def _app(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        env={**_NO_URL, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_migrate_brings_a_database_to_head_and_back(make_database: MakeDatabase) -> None:
    """And says in a sentence, with a status of its own, that a database is ahead of the code."""
    url = await make_database()
    done = await asyncio.to_thread(_app, "migrate", DATABASE_URL=url)
    assert done.returncode == 0, done.stderr + done.stdout
    async with Database(DatabaseSettings(url=url)) as db:
        assert (await db.execute(text("select count(*) from task"))).scalar_one() == 0
        await db.execute(text("update alembic_version set version_num = 'from_the_future'"))
    done = await asyncio.to_thread(_app, "migrate", DATABASE_URL=url)
    assert done.returncode == 3, done.stderr + done.stdout
    assert "newer code has migrated it" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_without_a_url_it_says_which_variable_to_set() -> None:
    """Not a traceback."""
    done = _app("migrate")
    assert done.returncode == 2
    assert "DATABASE_URL" in done.stdout
    assert "Traceback" not in done.stderr + done.stdout


def test_help_lists_the_commands() -> None:
    """Each with what it does."""
    done = _app("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("demo", "serve", "migrate"))


async def test_serve_answers_until_it_is_told_to_stop(make_database: MakeDatabase, tmp_path: Path) -> None:
    """On a fresh database: it migrates, gives a token, serves tasks, and Ctrl-C ends it in order."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {**_NO_URL, "DATABASE_URL": await make_database()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "serve", "--port", str(port), env=environment, stdout=subprocess.PIPE
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        await _until_served(client)
        token = (await client.get("/dev/token", params={"user_id": "ada"})).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.post("/tasks", json={"title": "Buy milk"}, headers=headers)).status_code == 201
        assert len((await client.get("/tasks", headers=headers)).json()["items"]) == 1
    process.send_signal(signal.SIGINT)
    printed, _ = await asyncio.wait_for(process.communicate(), 15)
    assert f"http://127.0.0.1:{port}/docs" in printed.decode()
    assert process.returncode in {0, -signal.SIGINT, 130}


async def _until_served(client: httpx.AsyncClient) -> None:
    for _ in range(200):
        try:
            if (await client.get("/healthz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
    raise AssertionError("it does not answer")
