"""The gate of `make check` accepts the repository's revisions and refuses careless ones."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from tests.support.migrations import HEAD, ROOT, with_revisions
from tools.revision_gate import problems

CARELESS = {
    "adding-required-field": 'op.execute("alter table task add column due date not null")',
    "require-concurrent-index-creation": 'op.create_index("ix_slow", "task", ["title"])',
    "adding-foreign-key-constraint": 'op.create_foreign_key("fk", "task", "task", ["id"], ["id"])',
    "constraint-missing-not-valid": 'op.create_check_constraint("ck", "task", "id > 0")',
    "adding-not-nullable-field": 'op.alter_column("task", "description", nullable=False)',
    "renaming-column": 'op.alter_column("task", "title", new_column_name="name")',
    "ban-drop-column": 'op.drop_column("task", "title")',
    "changing-column-type": 'op.execute("alter table task alter column id type int")',
    "does more than make indexes": 'create_index_concurrently("ix", "task", ["title"])\nop.execute("select 1")',
}
CAREFUL = {
    "column": 'op.execute("alter table task add column due date")',
    "constant": 'op.execute("alter table task add column starred boolean not null default false")',
    "index": 'create_index_concurrently("ix_slow", "task", ["title"])',
    "foreign_key": 'op.create_foreign_key("fk", "task", "task", ["id"], ["id"], postgresql_not_valid=True)',
    "validation": 'op.execute("alter table task validate constraint fk")',
}


def test_our_revisions_pass() -> None:
    """The gate runs as in `make check`."""
    ran = subprocess.run(
        [sys.executable, "-m", "tools.revision_gate"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.parametrize("rule", CARELESS)
def test_a_careless_revision_is_refused(tmp_path: Path, rule: str) -> None:
    """It would block traffic, break running code, or fail when run again; the sentence names the file."""
    found = list(problems(with_revisions(tmp_path, careless=CARELESS[rule]) / "alembic.ini"))
    assert any(rule in problem for problem in found), found
    assert all(problem.startswith("2030_01_01_0000_careless.py: ") for problem in found)


def test_the_safe_ways_of_the_template_pass(tmp_path: Path) -> None:
    """The ways are those that `script.py.mako` shows."""
    assert list(problems(with_revisions(tmp_path, **CAREFUL) / "alembic.ini")) == []


def _edited(folder: Path, old: str, new: str) -> list[str]:
    revision = next(folder.glob("alembic/versions/*_made.py"))
    revision.write_text(revision.read_text().replace(old, new))
    return list(problems(folder / "alembic.ini"))


def test_a_warning_that_is_explained_passes(tmp_path: Path) -> None:
    """It needs a reason, and an empty reason does not count."""
    folder = with_revisions(tmp_path, made=CARELESS["ban-drop-column"])
    assert _edited(folder, "\n\n\ndef up", '\n\nexplained = {"ban-drop-column": "no code names it"}\n\n\ndef up') == []
    assert "`explained` gives no reason" in _edited(folder, "no code names it", " ")[0]


@pytest.mark.parametrize(
    ("body", "passes"), [("pass", False), ('"""Nothing."""', False), ("raise CommandError('gone')", True)]
)
def test_a_revision_goes_back_or_says_why_not(tmp_path: Path, body: str, *, passes: bool) -> None:
    """An empty downgrade would claim that the change was undone."""
    found = _edited(with_revisions(tmp_path, made=CAREFUL["column"]), "op.execute('select 1')", body)
    assert (found == []) is passes


def test_two_heads_are_refused(tmp_path: Path) -> None:
    """After a merge of two branches `upgrade head` would not know which one to use."""
    folder = with_revisions(tmp_path, made=CAREFUL["column"], other=CAREFUL["constant"])
    other = next(folder.glob("alembic/versions/*_other.py"))
    other.write_text(other.read_text().replace('down_revision = "made"', f'down_revision = "{HEAD}"'))
    assert ["2 heads, made, other" in problem for problem in problems(folder / "alembic.ini")] == [True]


@pytest.mark.parametrize("name", ["add_due.py", "2020_01_01_0000_too_early.py"])
def test_a_name_begins_with_a_date_after_the_one_before(tmp_path: Path, name: str) -> None:
    """A listing of the folder shows the history in order."""
    folder = with_revisions(tmp_path, made=CAREFUL["column"])
    made = next(folder.glob("alembic/versions/*_made.py"))
    made.rename(made.with_name(name))
    assert [problem for problem in problems(folder / "alembic.ini") if "must begin with a date" in problem]


@pytest.mark.parametrize("message", ["add due date", "Add due date."])
def test_a_new_revision_is_dated_and_formatted(tmp_path: Path, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`alembic revision` writes a file that the linter accepts, except for imports that its body will use."""
    monkeypatch.setattr(sys, "path", sys.path[:])  # Alembic puts the folder before it
    folder = with_revisions(tmp_path)
    shutil.copy(ROOT / "pyproject.toml", folder)
    made = command.revision(Config(folder / "alembic.ini"), message=message)
    assert made
    path = Path(made.path)  # type: ignore[union-attr]
    assert path.name.endswith("_add_due_date.py")
    assert path.read_text().startswith('"""Add due date.\n')
    for arguments in (["format", "--check"], ["check", "--extend-ignore=F401"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, "--no-cache", str(path)], cwd=folder, check=True)
