"""Which names `make entity` takes, and that it writes nothing for one that it refuses."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.locks import ROOT
from tools.dev.entity import main

NAMED = ("app/db/models/{}.py", "app/repositories/{}.py", "app/api/{}.py")


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of what the command reads and writes."""
    for name in ("app", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(folder: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in folder.rglob("*.py")}


def _ran(*command: str) -> tuple[int, str]:
    ran = subprocess.run([sys.executable, "-B", *command], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, "give the name of a class") for name in ("note", "Note-Book", "Nöte", "../Note", "HTTPLog", "N")),
        *((name, "reserved word") for name in ("Class", "None", "Order", "User", "Select")),
        *((name, "there already") for name in ("Task", "Conversation", "Message", "Base")),
        *((name, "another") for name in ("Entity", "Page", "Usual", "Index")),
        ("", "make entity name=: give the name of a class"),
        ("Knowledge" * 4, "at most 30 characters"),
    ],
)
def test_a_name_that_cannot_be_is_refused(
    copy: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str
) -> None:
    """One sentence says why, and no file is changed."""
    before = _files(copy)
    assert main(name) == 2
    (said,) = capsys.readouterr().out.splitlines()
    assert reason in said
    assert _files(copy) == before


@pytest.mark.parametrize(
    ("name", "module", "plural"),
    [
        ("Tag", "tag", "tags"),
        ("Category", "category", "categories"),
        ("Address", "address", "addresses"),
        ("UserNote", "user_note", "user_notes"),
        ("LongKnowledgeBaseSubsection", "long_knowledge_base_subsection", "long_knowledge_base_subsections"),
    ],
)
def test_an_entity_of_any_length_is_in_the_houses_format(
    copy: Path, capsys: pytest.CaptureFixture[str], name: str, module: str, plural: str
) -> None:
    """The files are written, pass ruff, and can be imported."""
    assert main(name) == 0
    assert capsys.readouterr().out.split() == [
        path.format(each) for path, each in zip(NAMED, (module, plural, plural), strict=True)
    ]
    assert _ran("-m", "ruff", "check", "--quiet", ".") == (0, "")
    assert _ran("-m", "ruff", "format", "--check", "--quiet", ".") == (0, "")
    assert f'"/{plural}/{{{module}_id}}"' in _ran("-c", _PATHS)[1]


_PATHS = """
import json
from app.api import app
print(json.dumps([route.path for router in app._PRIVATE for route in router.routes]))
"""


def test_one_entity_after_the_other_is_registered(copy: Path) -> None:
    """Lists that no longer fit on one line are continued."""
    names = ["Tag", "Reminder", "Attachment", "Category", "KnowledgeBase"]
    assert [main(name) for name in names] == [0] * len(names)
    assert _ran("-m", "ruff", "check", "--quiet", ".") == (0, "")
    paths = _ran("-c", _PATHS)[1]
    assert all(f'"/{name}"' in paths for name in ("tags", "reminders", "attachments", "categories", "knowledge_bases"))


def test_prose_names_the_entity_in_words(copy: Path) -> None:
    """Docstrings say "an old address", code says what it is called."""
    assert main("OldAddress") == 0
    routes = (copy / "app/api/old_addresses.py").read_text()
    assert '"""Create an old address."""' in routes
    assert '"""Routes of old addresses."""' in routes
    assert "async def create_old_address(" in routes
