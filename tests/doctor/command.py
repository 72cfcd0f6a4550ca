"""The doctor's command in its own process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def command(*arguments: str) -> list[str]:
    """Return the command line; a warning is an error."""
    return [sys.executable, "-W", "error", "-m", "app", "doctor", *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return the environment without this machine's database settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return {**kept, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **more}


def run_doctor(*arguments: str, folder: Path = ROOT, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the doctor until it exits."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
