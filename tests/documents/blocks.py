"""The fenced blocks of README.md and ``docs/``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
COMMANDS: Final = frozenset({"sh", "python", "sql"})
OUTPUT: Final = frozenset({"text", "json"})
_NOT_RUN: Final = re.compile(r"<!-- not run: (\S.*) -->")
_RUN_BY: Final = re.compile(r"^<!-- run by (tests/\S+\.py) -->$", re.MULTILINE)  # of all blocks of the page
_FENCE: Final = re.compile(r"^( *)```(\w*)\s*$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where it begins, its language, and the reason of a comment for not running it here."""

    page: str
    line: int
    language: str
    code: str
    not_run: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> list[Block]:
    """Return every block of every page."""
    return [block for page in PAGES for block in _blocks_of(page)]


def followed_by(page: Path) -> str | None:
    """Return the file of tests that runs every block of a page, if the page names one."""
    found = _RUN_BY.search(page.read_text())
    return found[1] if found else None


def _blocks_of(page: Path) -> Iterator[Block]:
    lines, run_by = page.read_text().splitlines(), followed_by(page)
    opened: tuple[int, str, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if not fence:
            continue
        if opened is None:
            opened = number, fence[2], fence[1]
            continue
        begin, language, indent = opened
        code = "\n".join(each.removeprefix(indent) for each in lines[begin + 1 : number])
        reason = _NOT_RUN.search(lines[begin - 1]) if begin else None
        yield Block(str(page.relative_to(ROOT)), begin + 1, language, code, reason[1] if reason else run_by)
        opened = None
    assert opened is None, f"{page}: a block is not closed"
