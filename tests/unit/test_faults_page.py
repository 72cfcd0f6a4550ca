"""docs/faults.md says what the tests say."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_made_of_the_tests_and_has_no_empty_cell(tmp_path: Path) -> None:
    """All thirty faults are there, each with an outcome for each kind of call; `make faults` renews the page."""
    made = tmp_path / "faults.md"
    collected = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--faults-page={made}",
            "tests",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert collected.returncode == 0, collected.stdout[-2000:]
    assert (ROOT / "docs/faults.md").read_text() == made.read_text(), "docs/faults.md is out of date: make faults"
    rows = [line.strip("| ").split(" | ") for line in made.read_text().splitlines() if re.match(r"\| \d", line)]
    assert {int(row[0]) for row in rows} == set(range(1, 31))
    assert all(len(row) == 7 and all(cell.strip() for cell in row) for row in rows)
