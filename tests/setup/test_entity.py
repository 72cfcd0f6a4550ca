"""The page on how to add an entity, followed word for word in a copy of the project."""

import json
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
# Of the servers of row-level security, those of one version.
OF_THE_ENTITY = "(note or reminder or every or row_security or any_request) and (17 or not row_security)"
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
    programs = str(Path(sys.executable).parent)
    line = line.replace(".venv/bin", programs).replace("make ", f"make --no-print-directory BIN={programs} ", 1)
    if line.endswith(" check"):
        planned = _run(f"{line} --dry-run", copy, {}).splitlines()
        gates = [command for command in planned if any(gate in command for gate in GATES)]
        assert len(gates) == len(GATES)
        return [f"{command} app" if command.endswith("mypy") else command for command in gates]
    if " test " in line:
        # Without the list of slow tests, which names tests that passed.
        chosen = line.replace('args="', f"""args="--durations-min=10000 -k '{OF_THE_ENTITY}' """)
        return [chosen.replace("test_schema.py", "'test_schema.py::test_any_request_has_a_documented_answer[1]'")]
    return [line]


def _run(command: str, copy: Path, environment: dict[str, str]) -> str:
    ran = _ran(command, copy, environment)
    assert ran.returncode == 0, f"{command}\n{ran.stdout}"
    return ran.stdout


def _ran(command: str, copy: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PYTEST_"))}
    return subprocess.run(
        ["sh", "-c", command],
        cwd=copy,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _doctors_findings(copy: Path, environment: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return what the doctor finds when it may write; the tests' server itself is not as it should be."""
    ready = {**environment, "DATABASE_ROW_LEVEL_SECURITY": "true"}
    ran = _ran(f"{sys.executable} -m app doctor --write --json", copy, ready)
    return {each["check"]: each for each in json.loads(ran.stdout)["findings"]}


def _add_another(copy: Path) -> None:
    """Add an entity that belongs to another, with columns of many types, as the page says it."""
    for command in _commands("make entity name=Reminder", copy):
        _run(command, copy, {})
    shutil.copy(ROOT / "tests/data/reminder.py", copy / "app/db/models")
    for edit, files in (
        ("s/completed/silent/g; s/Completed/Silent/g", "app/repositories/reminders.py app/api/reminders.py"),
        ("s/answers(409)/answers(404, 409)/", "app/api/reminders.py"),
    ):
        _run(f"sed -i '{edit}' {files}", copy, {})


@pytest.mark.timeout(600)  # against a hang
async def test_the_page_leads_to_an_entity_that_passes_everything(
    copy: Path, make_database: Callable[[], Awaitable[str]], server_url: str
) -> None:
    """A note with a title, a body, a flag, an enum and a date is written, migrated, checked and tested.

    With it another entity, whose columns are of many more types, and whose rows belong to a conversation.
    """
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
        if "make entity" in text:
            _add_another(copy)
    assert not re.search("NoteRepo|ReminderRepo", output)  # pytest names what failed or was skipped
    assert re.search(r"\d\d+ passed", output), output
    found = _doctors_findings(copy, environment)
    assert "note" in found["access.row_security"]["found"].removeprefix("on for ").split(", ")
    assert {
        "plans.reminders.page_by_silent",
        "plans.notes.page_by_pinned",
        "plans.notes.update_unchanged",
    } <= found.keys()
    judged = {name: each for name, each in found.items() if name.startswith(("criteria.", "schema.", "plans."))}
    assert [each for each in judged.values() if each["advice"]] == []


def test_an_entity_costs_few_lines() -> None:
    """A repository takes at most 60, with docstrings and imports, and its tests at most 15."""
    assert len((ROOT / "app/repositories/tasks.py").read_text().splitlines()) <= 60
    tests = [text for language, text in _steps() if language == "python" and text.startswith("# tests/")]
    assert 0 < sum(len(text.splitlines()) for text in tests) <= 16  # with the line that names the file
