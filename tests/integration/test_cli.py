"""The commands, each run in its own process."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from app.db import DatabaseSettings
from app.db.migrations import current
from tests.support.migrations import FIRST, HEAD
from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).resolve().parents[2]


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "API_"))}
    return {**kept, "COLUMNS": "120", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


def _app(*arguments: str, folder: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "app", *arguments],
        cwd=folder,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@asynccontextmanager
async def _serving(folder: Path, **environment: str) -> AsyncIterator[tuple["asyncio.subprocess.Process", str]]:
    """Run `serve` on any free port; give the process and its address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "serve", "--port", "0"),
        cwd=folder,
        env=_environment(**environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while b"/docs" not in (line := await process.stdout.readline()):
                assert line, (await process.communicate())[1].decode()
        yield process, line.decode().split()[2].removesuffix("/docs,")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def _get(url: str, token: str | None = None) -> "tuple[int, bytes]":
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=100) as answer:
        return answer.status, answer.read()


def test_help_names_every_command() -> None:
    """Each has a line that says what it is for."""
    ran = _app("--help")
    assert ran.returncode == 0, ran.stderr
    assert [name for name in ("demo", "doctor", "migrate", "serve") if f" {name} " not in ran.stdout] == []


@pytest.mark.parametrize(
    ("command", "words"),
    {
        "doctor": ["--write", "--json", "--instances", "Exit status", "3 no connection", "shows no password"],
        "migrate": ["many places at once", "alembic downgrade", "ahead of"],
        "serve": ["--port", "private PostgreSQL", "In production"],
    }.items(),
)
def test_help_says_what_to_expect(command: str, words: list[str]) -> None:
    """The help says what a command does, what it leaves alone, and what its exit status means."""
    said = " ".join(_app(command, "--help").stdout.split())
    assert [word for word in words if word not in said] == []


async def test_migrate_brings_a_database_to_head_and_says_so(make_database: Callable[[], Awaitable[str]]) -> None:
    """Each step is logged, a revision can be named, and a second run does nothing."""
    url = await make_database()
    first = await asyncio.to_thread(_app, "migrate", FIRST, DATABASE_URL=url)
    assert (first.returncode, first.stdout) == (0, f"at revision {FIRST}\n")
    assert "Create task, conversation and message" in first.stderr
    rest = await asyncio.to_thread(_app, "migrate", DATABASE_URL=url)
    assert (rest.returncode, rest.stdout) == (0, f"at revision {HEAD}\n")
    again = await asyncio.to_thread(_app, "migrate", DATABASE_URL=url)
    assert (again.returncode, again.stdout, again.stderr) == (0, f"at revision {HEAD}\n", "")
    assert await current(DatabaseSettings(url=url)) == HEAD


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["migrate"], {}, "Set DATABASE_URL"),
        (["migrate", "nonsense"], {"DATABASE_URL": "migrated"}, "Can't locate revision identified by 'nonsense'"),
        (["migrate"], {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/x", "DATABASE_RETRY_SECONDS": "1"}, "app doctor"),
        (["serve", "--host", "nowhere.invalid"], {"DATABASE_URL": "migrated"}, "known; try another --host"),
        (["keys", "prune", "--days", "999999999"], {"DATABASE_URL": "migrated"}, "Invalid value for '--days'"),
        (["user", "export", "ada", "--output", "."], {"DATABASE_URL": "migrated"}, "is a directory"),
    ],
    ids=["no URL", "no such revision", "no server", "no such host", "too many days", "a folder"],
)
def test_what_is_wrong_is_a_sentence(
    migrated_url: str, tmp_path: Path, arguments: list[str], environment: dict[str, str], says: str
) -> None:
    """The command exits with 2 and without a traceback, and the output has nothing of it."""
    known = {name: migrated_url if value == "migrated" else value for name, value in environment.items()}
    ran = _app(*arguments, folder=tmp_path, **known)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert says in ran.stderr
    assert "error:" not in ran.stdout
    assert "Traceback" not in ran.stderr


async def test_a_refusal_without_advice_names_the_doctor(make_database: Callable[[], Awaitable[str]]) -> None:
    """Here the server says only that a table does not exist."""
    url = await make_database()
    for arguments in (("keys", "prune"), ("rls", "off")):
        ran = await asyncio.to_thread(_app, *arguments, DATABASE_URL=url)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.endswith("does not exist. To see why, and what to do: python -m app doctor\n"), ran.stderr


def test_without_a_url_it_is_one_sentence(tmp_path: Path) -> None:
    """The error is printed once, in one line."""
    ran = _app("migrate", folder=tmp_path)
    assert ran.stderr.startswith("error: Set DATABASE_URL, in the environment or in .env")
    assert (ran.stderr.count("\n"), ran.stdout) == (1, "")


def test_a_terminal_without_unicode_is_enough(migrated_url: str) -> None:
    """What its encoding lacks is replaced."""
    ran = _app("demo", DATABASE_URL=migrated_url, PYTHONIOENCODING="ascii")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "SELECT ? FROM task" in ran.stdout


@pytest.mark.parametrize(
    ("statement", "absent", "says"),
    [
        ("runpy.run_module('app', run_name='__main__')", "typer", "typer is not installed: install .* extra `cli`"),
        ("import app.api", "fastapi", "fastapi is not installed: install .* extra `api`"),
        ("sys.argv[1:] = ['serve']; runpy.run_module('app', run_name='__main__')", "jwt", "error: jwt .* extra `api`"),
    ],
    ids=["python -m app", "import app.api", "python -m app serve"],
)
def test_a_missing_extra_is_named(migrated_url: str, statement: str, absent: str, says: str) -> None:
    """One sentence says how to install it."""
    ran = subprocess.run(
        [sys.executable, "-c", f"import runpy, sys; sys.modules['{absent}'] = None; {statement}"],
        env=_environment(DATABASE_URL=migrated_url),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    *_, last = (ran.stdout + ran.stderr).splitlines()
    assert ran.returncode != 0
    assert re.search(f"{says}.*pip install '.\\[", last), ran.stdout + ran.stderr
    assert ("Traceback" in ran.stderr) == (statement == "import app.api")  # raised in the reader's own program


def test_a_port_that_is_taken_is_a_sentence(migrated_url: str) -> None:
    """The sentence says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ran = _app("serve", "--port", str(taken.getsockname()[1]), DATABASE_URL=migrated_url)
    assert ran.returncode == 2
    assert "Address already in use" in ran.stderr
    assert "try another --port" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.fixture
def state_folder() -> Iterator[Path]:
    """Give a folder for kept data that the server's account can enter."""
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _names_of_data(state_folder: Path) -> set[str]:
    (data,) = state_folder.glob("embedded-postgres/development-*/pgdata")
    return {file.name for file in data.iterdir()}


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_serve_brings_its_own_postgresql(state_folder: Path, asked: signal.Signals) -> None:
    """It serves its page, issues a token that the other routes accept, shuts down cleanly and keeps its data."""
    async with _serving(state_folder, XDG_STATE_HOME=str(state_folder)) as (process, place):
        assert (await asyncio.to_thread(_get, f"{place}/docs"))[0] == 200
        _, answer = await asyncio.to_thread(_get, f"{place}/dev/token?user_id=ada")
        status, tasks = await asyncio.to_thread(_get, f"{place}/tasks", json.loads(answer)["access_token"])
        assert (status, json.loads(tasks)["items"]) == (200, [])
        process.send_signal(asked)
        _, said = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    assert (process.returncode, said.decode()) == (0, "")
    kept = _names_of_data(state_folder)
    assert "PG_VERSION" in kept
    assert "postmaster.pid" not in kept  # it was shut down


async def test_serve_takes_database_url(migrated_url: str) -> None:
    """No server is started when it is set."""
    async with _serving(ROOT, DATABASE_URL=migrated_url) as (_, place):
        assert (await asyncio.to_thread(_get, f"{place}/readyz"))[0] == 200
