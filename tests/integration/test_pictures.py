"""The pictures of README.md show the current output of the commands."""

import html
import re
from pathlib import Path

from tools.pictures import FOLDER, PICTURES, make

README = Path(__file__).parents[2] / "README.md"


def _words(svg: str) -> str:
    """Return the text of a picture without figures and alignment, which differ from run to run."""
    lines = re.findall(r"<text [^>]*>(.*?)</text>", svg, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"[\d.]+", "N", html.unescape(" ".join(lines))))


def test_the_pictures_are_of_today(tmp_path: Path) -> None:
    """If one is out of date, run `make readme`."""
    make(tmp_path)
    for name in PICTURES:
        shown, printed = ((folder / f"{name}.svg").read_text() for folder in (FOLDER, tmp_path))
        assert _words(shown) == _words(printed), name


def test_the_pictures_stand_in_the_readme_and_load_nothing() -> None:
    """A reader's browser loads no font from another host."""
    for name in PICTURES:
        assert f"(docs/pictures/{name}.svg)" in README.read_text()
        assert re.findall(r"url\(\"?http", (FOLDER / f"{name}.svg").read_text()) == []
