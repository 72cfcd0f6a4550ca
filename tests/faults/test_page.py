"""docs/faults.md matches the tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)  # it collects the whole suite, which is slow on a busy machine
def test_page_is_made_of_the_tests_in_any_order_and_has_no_empty_cell(tmp_path: Path) -> None:
    """All thirty faults are listed with an outcome for each kind of call; `make faults` rewrites the page."""
    made = tmp_path / "faults.md"
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "randomly"]
    ran = subprocess.run(
        [*command, f"--faults-page={made}", "tests"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert (ROOT / "docs/faults.md").read_text() == made.read_text(), "docs/faults.md is out of date: make faults"
    rows = [line.strip("| ").split(" | ") for line in made.read_text().splitlines() if re.match(r"\| \d", line)]
    assert {int(row[0]) for row in rows} == set(range(1, 31))
    assert all(len(row) == 7 and all(cell.strip() for cell in row) for row in rows)
