"""Make the pictures of README.md from the output of the commands: ``docs/pictures/*.svg``."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text
from sqlalchemy.engine import make_url

from app.embedded import EmbeddedPostgres

FOLDER: Final = Path(__file__).parents[1] / "docs" / "pictures"
PICTURES: Final[Mapping[str, tuple[str, ...]]] = {"demo": ("demo",), "doctor": ("doctor", "--instances", "8")}
_WIDTH: Final = 110
_HEIGHT: Final = 34
_TAIL: Final = 1
_LIKE_A_SERVER: Final = {"fsync": "on", "full_page_writes": "on"}
# Rich's template loads its font from another host; the reader's own font is good enough.
_TEMPLATE: Final = inspect.signature(Console.export_svg).parameters["code_format"].default
_FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\n", "", _TEMPLATE, flags=re.DOTALL)


def _picture(name: str, url: str) -> str:
    """Return the command's output on a migrated database as SVG; long output loses its middle."""
    console = Console(record=True, width=_WIDTH, file=StringIO(), force_terminal=True)
    lines = Text.from_ansi(_printed(*PICTURES[name], url=url)).split("\n", allow_blank=False)
    console.print(_without_middle(list(lines)))
    return console.export_svg(title=f"python -m app {' '.join(PICTURES[name])}", code_format=_FORMAT, unique_id=name)


def _without_middle(lines: list[Text]) -> Text:
    if len(lines) > _HEIGHT:
        lines = [*lines[: _HEIGHT - _TAIL - 1], Text("…", "dim"), *lines[-_TAIL:]]
    return Text("\n").join(lines)


def _printed(*arguments: str, url: str) -> str:
    wide = {"DATABASE_URL": url, "COLUMNS": str(_WIDTH), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "app", *arguments]
    return subprocess.run(command, env=os.environ | wide, capture_output=True, text=True, check=False).stdout  # noqa: S603 - ours


def make(folder: Path) -> None:
    """Make all pictures, on a private PostgreSQL."""
    folder.mkdir(exist_ok=True)
    with EmbeddedPostgres(settings=_LIKE_A_SERVER) as server:
        _printed("migrate", url=server.url())
        _printed("roles", url=server.url())
        application = make_url(server.url()).set(username="app").render_as_string(hide_password=False)
        for name, url in {"demo": server.url(), "doctor": application}.items():
            (folder / f"{name}.svg").write_text(_picture(name, url))


if __name__ == "__main__":
    make(FOLDER)
