"""``python -m app.api``, as an operator runs it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.attacks.victim import Victim
from tests.api.support import AUDIENCE, ISSUER, SECRET
from tests.support.waiting import LIMIT_SECONDS

ROOT = Path(__file__).parents[2]
GOOD = {
    "API_JWT_SECRET": SECRET,
    "API_JWT_ISSUER": ISSUER,
    "API_JWT_AUDIENCE": AUDIENCE,
    "DATABASE_URL": "postgresql://ada@nowhere.invalid/x",
}
WRONG: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no secret": ({"API_JWT_SECRET": ""}, [], "API_JWT_SECRET"),
    "a short secret": ({"API_JWT_SECRET": "short"}, [], "openssl rand -hex 32"),
    "a secret that repeats": ({"API_JWT_SECRET": "changeme" * 8}, [], "openssl rand -hex 32"),
    "no issuer": ({"API_JWT_ISSUER": ""}, [], "Set API_JWT_ISSUER, in the environment or in .env"),
    "no database": ({"DATABASE_URL": ""}, [], "DATABASE_URL"),
    "an unusable URL": ({"DATABASE_URL": "mysql://x"}, [], "DATABASE_URL"),
    "no such application": ({}, ["nowhere:create"], 'Could not import module "nowhere"'),
}


def _run(folder: Path, changes: dict[str, str], arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("API_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "app.api", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), **GOOD, **changes},
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_a_sentence(tmp_path: Path, name: str) -> None:
    """The command exits with 2 and says what is wrong, without a traceback."""
    changes, arguments, says = WRONG[name]
    ran = _run(tmp_path, changes, arguments)
    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


async def test_a_socket_that_listens_already_answers_at_once(migrated_url: str) -> None:
    """On a kept connection the body does not wait for the acknowledgement of the head, which takes a client 40 ms."""
    taken = []
    async with Victim.running(migrated_url) as victim:
        reader, writer = await victim.connect()
        for _ in range(60):  # the kernel acknowledges the first ones at once
            began = time.perf_counter()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b'{"status":"ok"}')).startswith(b"HTTP/1.1 200")
            taken.append(time.perf_counter() - began)
        writer.transport.abort()
    assert min(taken[-20:]) < 0.03  # the kernel's delay is a constant, and load only adds to the fastest


def test_a_descriptor_that_is_no_socket_is_a_sentence(tmp_path: Path) -> None:
    """As every other wrong argument."""
    ran = _run(tmp_path, {}, ["--fd", "99"])
    assert (ran.returncode, "Traceback" in ran.stderr) == (2, False), ran.stderr
    assert "--fd 99" in ran.stderr
