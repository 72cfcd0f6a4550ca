"""The package index that pip is configured for, if it can be reached."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def require_index() -> None:
    """Skip the test if no package index can be reached."""
    if problem := _problem():
        pytest.skip(problem)


def fetch(package: str, folder: Path) -> Path:
    """Download the wheel of a package; skip the test if no package index can be reached."""
    require_index()
    ran = _download(package, folder)
    assert ran.returncode == 0, ran.stderr
    return next(folder.glob("*.whl"))


@cache
def _problem() -> str:
    with TemporaryDirectory() as folder:
        ran = _download("mdurl", Path(folder))
    return f"no package index can be reached: {ran.stderr.strip().splitlines()[-1]}" if ran.returncode else ""


def _download(package: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    options = ["--quiet", "--no-deps", "--disable-pip-version-check", f"--dest={folder}"]
    command = [sys.executable, "-m", "pip", "download", *options, package]
    return subprocess.run(command, capture_output=True, text=True, check=False)
