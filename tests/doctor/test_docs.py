"""The documents show what the doctor prints."""

import json
import re
from pathlib import Path

import pytest

from app.db import DatabaseSettings
from app.doctor import examine
from tests.doctor.command import ROOT, run_doctor
from tests.doctor.conftest import Clinic

# What differs between runs and machines.
_VARIES = (
    (re.compile("at head, [0-9a-f]+"), "at head, R"),
    (re.compile(r"\s+"), " "),
    (re.compile(r"\d+(\.\d+)*"), "N"),
    (re.compile("ahead of|behind"), "off"),
    (re.compile("the slowest of N, .*?, took"), "the slowest of N took"),
)
# The page need not change when a table is added: of the plans it shows those of tasks.
_OTHER_PLANS = re.compile(r"^ \w+ +(?!tasks\.)\w+\.\w+ .*\n(?: {10,}.*\n)*", re.MULTILINE)


def _evened_out(text: str) -> str:
    for pattern, replacement in _VARIES:
        text = pattern.sub(replacement, text)
    return text.strip()


def _block(page: Path, after: str) -> str:
    return page.read_text().partition(after)[2].partition("```")[2].partition("\n")[2].partition("\n```")[0]


def test_the_page_shows_a_healthy_database(clinic: Clinic) -> None:
    """To update the page, paste what this test prints."""
    ran = run_doctor("--write", "--verbose", COLUMNS="120", **clinic.environment())
    shown, printed = _block(ROOT / "docs" / "doctor.md", "## A healthy database"), _OTHER_PLANS.sub("", ran.stdout)
    assert _evened_out(shown) == _evened_out(printed), printed


async def test_the_page_shows_the_json(clinic: Clinic) -> None:
    """The page shows one finding of the JSON."""
    shown = json.loads(_block(ROOT / "docs" / "doctor.md", "## For programs"))
    report = json.loads((await examine(DatabaseSettings(url=clinic.url(query="sslmode=require")))).as_json())
    report["findings"] = [each for each in report["findings"] if each["check"] == "tls.certificate"]
    assert shown == report


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
async def test_the_page_names_every_group(clinic: Clinic, write: bool) -> None:  # noqa: FBT001 - a parameter
    """Every finding belongs to a group that the page names."""
    named = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "doctor.md").read_text(), flags=re.MULTILINE))
    report = await examine(clinic.settings(), write=write)
    assert named == {each.group for each in report.findings} | {"connection", "replicas", "sharding"}
