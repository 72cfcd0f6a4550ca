"""The image files: what they pin, copy and run as."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
POOLER = ROOT / "deploy" / "pgbouncer"


@pytest.mark.parametrize("file", [ROOT / "Dockerfile", POOLER / "Dockerfile"], ids=["api", "pgbouncer"])
def test_an_image_is_pinned_and_not_of_root(file: Path) -> None:
    """It has a tag, a numeric last user that is not 0 and a health check, and what it copies exists."""
    text = file.read_text()
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert [image for image in images if ":" not in image or image.endswith(":latest")] == []
    assert int(re.findall(r"^USER (\d+)$", text, re.MULTILINE)[-1]) > 0
    assert "HEALTHCHECK" in text
    copied = [line.split()[:-1] for line in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*)$", text, re.MULTILINE)]
    assert [name for names in copied for name in names if not (file.parent / name).exists()] == []


def test_the_image_gets_nothing_that_git_ignores() -> None:
    """Only what it copies is sent to the build: no `.env`, no history."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert kept == {"alembic", "alembic.ini", "app", "requirements/run.txt"}
