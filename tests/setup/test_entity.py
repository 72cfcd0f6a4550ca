"""The page on how to add an entity, followed word for word in a copy of the project."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.support.locks import ROOT

COPIED = ("app", "alembic", "tools", "tests", "examples", "benchmarks", "requirements")
FILES = ("alembic.ini", "pyproject.toml", "Makefile")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The checks of `make check` that an entity affects; mypy runs on the packages that the entity is part of.
GATES = ("ruff format", "ruff check", "mypy", "lint-imports", "revision_gate")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the checkout that `make` treats as installed."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    if (ROOT / ".mypy_cache").exists():  # `make check` has made it; without it mypy takes a minute
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / ".mypy_cache")
    (tmp_path / ".venv").mkdir()
    for stamp in (".python", ".run", ".dev"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def _steps() -> Iterator[tuple[str, str]]:
    """Yield each block of the page: its language and its text."""
    for found in BLOCK.finditer((ROOT / "docs/entity.md").read_text()):
        yield found[1], found[2]


def _commands(line: str, copy: Path) -> list[str]:
    """Return the commands of a line of the page; of checks and tests, only those for the new entity."""
    line = line.replace("make ", f"make --no-print-directory BIN={Path(sys.executable).parent} ", 1)
    if line.endswith(" check"):
        planned = _run(f"{line} --dry-run", copy, {}).splitlines()
        gates = [command for command in planned if any(gate in command for gate in GATES)]
        assert len(gates) == len(GATES)
        return [f"{command} app" if command.endswith("mypy") else command for command in gates]
    if " test " in line:  # row-level security has its own servers, which take a minute to start
        return [line.replace('args="', """args="-k '(note or every) and not row_security' """)]
    return [line]


def _run(command: str, copy: Path, environment: dict[str, str]) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PYTEST_"))}
    ran = subprocess.run(
        ["sh", "-c", command],
        cwd=copy,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}"
    return ran.stdout


@pytest.mark.timeout(600)  # against a hang
async def test_the_page_leads_to_an_entity_that_passes_everything(
    copy: Path, make_database: Callable[[], Awaitable[str]], server_url: str
) -> None:
    """A note with a title, a body, a flag, an enum and a date is written, migrated, checked and tested."""
    environment = {"DATABASE_URL": await make_database(), "TEST_DATABASE_URL": server_url}
    output = ""
    for language, text in _steps():
        if language == "python":
            path = copy / text.splitlines()[0].removeprefix("# ")
            path.write_text(text.split("\n", 1)[1])
        else:
            for line in text.splitlines():
                for command in _commands(line, copy):
                    output = _run(command, copy, environment)
    assert "NoteRepo" not in output  # pytest names what failed or was skipped
    assert re.search(r"\d\d+ passed", output), output


def test_an_entity_costs_few_lines() -> None:
    """A repository takes at most 60, with docstrings and imports, and its tests at most 15."""
    assert len((ROOT / "app/repositories/tasks.py").read_text().splitlines()) <= 60
    tests = [text for language, text in _steps() if language == "python" and text.startswith("# tests/")]
    assert 0 < sum(len(text.splitlines()) for text in tests) <= 16  # with the line that names the file
