"""Every command in the documents works as shown, or the document says why it is not run."""

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.api.support import AUDIENCE, ISSUER, SECRET, running
from tests.documents.blocks import COMMANDS, OUTPUT, PAGES, ROOT, Block, blocks, followed_by
from tests.documents.conftest import Place

BLOCKS = blocks()
ADDRESS = "http://127.0.0.1:8000"
# `make` uses the environment of the tests unchanged; a server is ended once it serves.
PRELUDE = r"""
set -euo pipefail
make() { command make --old-file=.venv/.run --old-file=.venv/.dev BIN="$BIN" "$@"; }
served() {
  "$@" --port 0 2> "$LOG" & server=$!
  until grep -q "running on" "$LOG"; do kill -0 $server; sleep 0.1; done
  kill -INT $server; wait $server || [ $? -eq 130 ]
}
uvicorn() { served command uvicorn "$@"; }
python() { if [ "$*" = "-m app.api" ]; then served command python "$@"; else command python "$@"; fi; }
"""


def _run_as(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages and block.not_run is None]


def _environment(place: Place, log: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "API_"))}
    binaries = Path(sys.executable).parent
    ours = {**place.environment, "PYTHONPATH": str(ROOT), "BIN": str(binaries), "LOG": str(log)}
    api = {"API_JWT_SECRET": SECRET, "API_JWT_ISSUER": ISSUER, "API_JWT_AUDIENCE": AUDIENCE}
    return {**kept, **ours, **api, "PATH": f"{binaries}:{kept['PATH']}"}


@contextmanager
def _serving(environment: dict[str, str]) -> Iterator[str]:
    """Run `python -m app serve` on a free port and give its address."""
    command = [sys.executable, "-u", "-m", "app", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield next(found[0] for line in process.stdout if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.terminate()


def _ran(code: str, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        ["bash", "-c", PRELUDE + code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_every_block_has_a_language() -> None:
    """So a command cannot pass as output; no command is in an indented block."""
    assert [str(block) for block in BLOCKS if block.language not in COMMANDS | OUTPUT] == []
    hidden = re.compile(r"^ {4}(make|python|pip|alembic|curl|docker|uvicorn|pytest) ", re.MULTILINE)
    assert [page for page in {block.page for block in BLOCKS} if hidden.search((ROOT / page).read_text())] == []


def test_a_page_that_names_its_tests_is_read_by_them() -> None:
    """The tests exist and name the page."""
    named = {page: file for page in PAGES if (file := followed_by(page))}
    assert named
    for page, file in named.items():
        assert page.name in (ROOT / file).read_text()


@pytest.mark.parametrize("block", _run_as("sh"), ids=str)
async def test_commands(block: Block, place: Place, tmp_path: Path) -> None:
    """Commands run on a migrated database; ``postgresql://...`` stands for its URL."""
    environment = _environment(place, tmp_path / "log")
    code = block.code.replace("postgresql://...", place.url)
    if ADDRESS not in code:
        await asyncio.to_thread(_ran, code, environment)
        return
    with _serving(environment) as address:
        said = await asyncio.to_thread(_ran, code.replace(ADDRESS, address), environment)
    assert "event: message" in said


@pytest.mark.parametrize("block", _run_as("sql"), ids=str)
async def test_statements(block: Block, place: Place) -> None:
    """The owner of the tables runs each one unchanged."""
    async with Database(DatabaseSettings(url=place.owner_url)) as db:
        for statement in filter(None, map(str.strip, block.code.split(";"))):
            await db.execute(text(statement))


@pytest.mark.parametrize("block", _run_as("python"), ids=str)
async def test_programs(
    block: Block, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user_id: str
) -> None:
    """A program runs, a test passes, a handler responds."""
    environment = _environment(place, tmp_path / "log")
    file = tmp_path / "test_program.py"
    file.write_text(block.code)
    if "async def test_" in block.code:
        command = ["-m", "pytest", "-q", "-c", str(ROOT / "pyproject.toml"), "-p", "tests.conftest", str(file)]
    elif "APIRouter" in block.code:
        await _handler_answers(file, place, user_id, monkeypatch)
        return
    else:
        command = ["-W", "error", str(file)]
    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


async def _handler_answers(file: Path, place: Place, user_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete a task through the handler; another user's is not found."""
    for name, value in _environment(place, file).items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("service", file)
    assert spec
    assert spec.loader
    service = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(service)
    async with Database(DatabaseSettings(url=place.url)) as db, running(service.create()) as api:
        task = await TaskRepo(db).create(user_id, TaskCreate(title="Buy milk"))
        async with api.client(user_id) as client, api.client("other") as other:
            assert (await client.post(f"/tasks/{task.id}/done")).json()["completed"] is True
            assert (await other.post(f"/tasks/{task.id}/done")).status_code == 404
