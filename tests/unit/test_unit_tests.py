"""Unit tests check values only: no database, no other process, no wall clock."""

import ast
from pathlib import Path
from typing import Final

import pytest

FILES: Final = sorted(Path(__file__).parent.rglob("*.py"))
FORBIDDEN: Final = {"multiprocessing", "socket", "subprocess", "time"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_unit_test_starts_no_process_and_reads_no_clock(file: Path) -> None:
    """A test that needs these is slow or measures the machine, and belongs in another folder."""
    imported = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert not imported & FORBIDDEN
