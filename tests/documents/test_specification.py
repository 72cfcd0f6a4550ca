"""docs/specification.md is complete, and every place and test that it names exists."""

import re
import subprocess
import sys
import tomllib

from app.doctor.criteria.criteria import CRITERIA
from tests.documents.blocks import ROOT

PAGE = (ROOT / "docs" / "specification.md").read_text()
ROWS = re.findall(r"^\| ((?!id )[^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, flags=re.MULTILINE)
ASKED = {
    *(f"FR-{number:03}" for number in range(1, 16)),
    *(f"SC-{number:03}" for number in range(1, 11)),
    *(f"EC-{number}" for number in range(1, 6)),
}
CARD = {"sqlmodel", "sqlalchemy", "asyncpg", "alembic", "pydantic-settings", "python-backoff"}
CARD_FOR_TESTS = {"pytest-asyncio", "testcontainers"}


def test_every_number_is_there_once() -> None:
    """Each number has a sentence, a place and a test."""
    names = [name for name, *_ in ROWS]
    assert len(names) == len(set(names))
    assert set(names) >= ASKED
    assert {name for name in names if re.match(r"[A-Z]{2}-", name)} == ASKED


def test_the_doctor_uses_these_numbers() -> None:
    """The doctor checks every success criterion, and has no number that is missing here."""
    assert set(CRITERIA) <= ASKED
    assert {name for name in ASKED if name.startswith("SC-")} <= set(CRITERIA)


def test_every_place_and_every_test_exists() -> None:
    """A renamed test is no longer collected."""
    places = {name: re.findall(r"\]\(\.\./([^)]+)\)", kept) for name, _, kept, _ in ROWS}
    assert [
        name for name, found in places.items() if not found or not all((ROOT / each).exists() for each in found)
    ] == []
    held = {name: re.findall(r"`(tests/[^`]+::\w+)`", tests) for name, _, _, tests in ROWS}
    assert [name for name, found in held.items() if not found] == []
    tests = sorted({test for found in held.values() for test in found})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", *tests]
    collected = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert collected.returncode == 0, collected.stdout + collected.stderr


def test_the_packages_of_the_card_are_required() -> None:
    """`python-backoff` is the maintained continuation of `backoff`, with the same import."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    required = {re.split(r"[\[><=~ ]", each)[0] for each in project["project"]["dependencies"]}
    to_develop = {re.split(r"[\[><=~ ]", each)[0] for each in project["dependency-groups"]["dev"]}
    assert required >= CARD
    assert to_develop >= CARD_FOR_TESTS
