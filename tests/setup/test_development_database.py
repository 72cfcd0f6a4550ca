"""`make db`, `make migrate` and `make revision`: a database to develop on without setting one up."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded import processes_of, psql, public_folder
from tests.support.locks import ROOT

COPIED = ("app", "alembic", "alembic.ini", "tools", "pyproject.toml")
TABLES = "select count(*) from pg_tables where schemaname = 'public'"


@pytest.fixture
def checkout() -> Iterator[Path]:
    """Give a copy of the checkout, with its own state folder beside it."""
    with public_folder() as folder:
        folder.chmod(0o711)
        (folder / "state").mkdir(mode=0o711)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        yield folder


def command(checkout: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start the command of a make target."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "tools.dev.database", *arguments],
        cwd=checkout,
        env={
            **ours,
            "XDG_STATE_HOME": str(checkout / "state"),
            "COLUMNS": "200",
            "PYTHONUNBUFFERED": "1",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(checkout: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    with command(checkout, *arguments, **environment) as process:
        said, _ = process.communicate(timeout=240)
    return process.returncode, said


def revisions(checkout: Path) -> set[Path]:
    """Return the existing revisions."""
    return set((checkout / "alembic/versions").glob("*.py"))


def test_revision_and_migrate_need_no_database_url(checkout: Path) -> None:
    """A changed model becomes a revision on the private PostgreSQL, which is migrated to head first; both print it."""
    before = revisions(checkout)
    task = checkout / "app/db/models/task.py"
    head, table, rest = task.read_text().partition("class Task(SQLModel, table=True):")
    task.write_text(head + table + rest.replace("\n    completed:", "\n    note: int | None = None\n    completed:", 1))
    status, said = run(checkout, "revision", "add the note")
    assert status == 0, said
    assert "a private PostgreSQL" in said
    (made,) = revisions(checkout) - before
    assert made.name.endswith("_add_the_note.py")
    assert '"note"' in made.read_text()
    status, said = run(checkout, "migrate")
    assert status == 0, said
    assert "a private PostgreSQL" in said
    assert "Add the note" in said


def test_database_is_shared_while_it_runs_and_kept_afterwards(checkout: Path) -> None:
    """Its URL is printed; `migrate` works on the same server; Ctrl-C ends it, and the next start finds the rows."""
    for tables in (0, 4):
        with command(checkout, "start") as database:
            assert database.stdout
            said = [database.stdout.readline() for _ in range(4)]
            url = re.search(r"export DATABASE_URL='(.*)'", "".join(said))
            assert url, said
            assert psql(url[1], TABLES) == str(tables)
            assert run(checkout, "migrate")[0] == 0
            assert psql(url[1], TABLES) == "4"
            database.send_signal(signal.SIGINT)
        assert database.returncode == 0
        assert not processes_of(checkout / "state")


def test_database_url_is_used_where_it_is_set(checkout: Path, migrated_url: str) -> None:
    """No private server is started, and no state is left."""
    status, said = run(checkout, "migrate", DATABASE_URL=migrated_url)
    assert status == 0, said
    assert "DATABASE_URL" in said
    assert "private" not in said
    assert not list((checkout / "state").iterdir())


def test_revision_without_words_says_how_to_give_them(checkout: Path) -> None:
    """The error comes before anything is started."""
    status, said = run(checkout, "revision", "")
    assert status == 1
    assert said == 'Say what the revision does: make revision m="add the due date"\n'


@pytest.mark.parametrize("arguments", [["alembic", "upgrade", "head"], ["alembic", "check"], ["app", "migrate"]])
def test_command_without_a_database_prints_one_sentence_once(arguments: list[str], tmp_path: Path) -> None:
    """It prints no lines of pydantic, and no sentence twice."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    shutil.copy(ROOT / "alembic.ini", tmp_path)
    (tmp_path / "alembic").symlink_to(ROOT / "alembic")
    ran = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=tmp_path,
        env={**ours, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode != 0
    said = (ran.stdout + ran.stderr).splitlines()
    assert len(said) == 1, said
    assert "Set DATABASE_URL, in the environment or in .env: postgresql://user:password@host/database" in said[0]
