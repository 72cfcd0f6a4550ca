"""The project as an installed package, outside any checkout."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.db import DatabaseSettings
from app.db.migrations import current
from tests.support.migrations import HEAD

ROOT = Path(__file__).resolve().parents[2]


def _run(*command: str, folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "PYTHON"))}
    ran = subprocess.run(
        command, cwd=folder, env=kept | environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it without its dependencies, and give its folder."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("target")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), folder=ROOT)
    (wheel,) = wheels.glob("*.whl")
    python = getattr(sys, "_base_executable", sys.executable)  # a virtualenv of `make` has no pip in it
    quiet = ("--quiet", "--disable-pip-version-check", "--no-index", "--no-deps")
    _run(python, "-m", "pip", "install", *quiet, "--target", str(target), str(wheel), folder=wheels)
    return target


async def test_an_installed_package_migrates(
    installed: Path, tmp_path: Path, make_database: Callable[[], Awaitable[str]]
) -> None:
    """It contains its revisions and finds them from another working directory."""
    url = await make_database()
    environment = {"DATABASE_URL": url, "PYTHONPATH": str(installed)}
    where = await asyncio.to_thread(
        _run, sys.executable, "-c", "import app; print(app.__file__)", folder=tmp_path, **environment
    )
    assert Path(where).is_relative_to(installed)
    said = await asyncio.to_thread(_run, sys.executable, "-m", "app", "migrate", folder=tmp_path, **environment)
    assert said == f"at revision {HEAD}\n"
    assert await current(DatabaseSettings(url=url)) == HEAD


def test_its_revisions_are_those_of_the_checkout(installed: Path) -> None:
    """It has each revision file, and no stray file of the checkout."""
    found = {path.name for path in (installed / "app" / "_alembic").rglob("*") if path.is_file()}
    revisions = {path.name for path in (ROOT / "alembic" / "versions").glob("*.py")}
    assert {name for name in found if not name.endswith(".pyc")} == {
        "alembic.ini",
        "env.py",
        "script.py.mako",
        *revisions,
    }
