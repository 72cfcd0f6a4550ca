"""The programs of README.md, docs/ and examples/ pass type checkers without plugins for SQLModel or pydantic."""

from pathlib import Path

from tools.typed_programs import complaints, programs

WRONG = """
from app.db import DatabaseSettings
from app.db.models import MessageCreate

DatabaseSettings(url=5)
MessageCreate(role="system", content="x")
"""


def test_programs_are_accepted_and_mistakes_are_not(tmp_path: Path) -> None:
    """Both mypy and pyright report each mistake, and nothing else."""
    for name, program in programs():
        (tmp_path / name).write_text(program)
    (tmp_path / "wrong.py").write_text(WRONG)
    said = complaints(tmp_path).splitlines()
    found = [line for line in said if "error" in line]
    assert [line for line in found if "wrong.py" not in line and "errors, " not in line] == []
    for line_number in (5, 6):
        assert sum(f"wrong.py:{line_number}:" in line for line in found) == 2, found  # one each
    assert {"README_1.py", "plain_session.py"} <= {name for name, _ in programs()}
