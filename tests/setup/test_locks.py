"""The locks install without a resolver, with the oldest supported pip and with the newest."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.utils import canonicalize_name

from tests.support.index import fetch
from tests.support.locks import LOCKS, ROOT, Metadata, asked_for, metadata_of, missing, names, pins

# Debian 12's, and the one of the first Python 3.12, which the former does not run on.
OLDEST_PIP = "pip==23.0.1" if sys.version_info < (3, 12) else "pip==23.2.1"
NEWEST_PIP = "pip"
pytestmark = pytest.mark.timeout(900)  # fetching all packages takes as long as the network takes
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def resolve(pip: str, folder: Path) -> dict[str, Metadata]:
    """Fetch all packages of all locks as an installation does, and return their metadata."""
    command = [sys.executable, str(fetch(pip, folder) / "pip"), "--quiet", "--disable-pip-version-check"]
    command += ["install", "--dry-run", "--ignore-installed", "--no-deps", "--require-hashes"]
    command += [f"--report={folder / 'report.json'}", *(word for lock in LOCKS for word in ("-r", str(lock)))]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return metadata_of(folder / "report.json")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Metadata]]:
    """Give what the oldest and the newest pip find for the locks; both run at once, as each takes half a minute."""
    folders = [tmp_path_factory.mktemp("pip") for _ in (OLDEST_PIP, NEWEST_PIP)]
    with ThreadPoolExecutor() as threads:
        oldest, newest = threads.map(resolve, (OLDEST_PIP, NEWEST_PIP), folders)
    return {OLDEST_PIP: oldest, NEWEST_PIP: newest}


@pytest.fixture
def metadata(found: dict[str, dict[str, Metadata]]) -> dict[str, Metadata]:
    """Give the metadata of every package of every lock that this platform needs."""
    return found[OLDEST_PIP]


@pytest.fixture
def environment() -> dict[str, str]:
    """Give the markers of this machine."""
    return {name: str(value) for name, value in default_environment().items()}


@pytest.mark.parametrize("pip", [OLDEST_PIP, NEWEST_PIP])
def test_pip_installs_every_lock(pip: str, found: dict[str, dict[str, Metadata]]) -> None:
    """It finds every pinned version with its hash, whatever newer releases exist."""
    pinned = {(canonicalize_name(pin.name), str(pin.specifier)) for lock in LOCKS for pin in pins(lock.read_text())}
    chosen = {(name, f"=={metadata['version']}") for name, metadata in found[pip].items()}
    assert chosen <= pinned
    assert len(chosen) > len(pinned) * 0.9  # the others are for other platforms


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_is_complete(lock: Path, python: str, metadata: dict[str, Metadata], environment: dict[str, str]) -> None:
    """Every package finds its requirements among the pins, with extras, on each Python."""
    environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    assert not missing(lock.read_text(), metadata, environment)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_gives_what_the_project_asks_for(lock: Path, environment: dict[str, str]) -> None:
    """A dependency added to pyproject.toml without `make lock` is noticed."""
    text = lock.read_text() + "\nasync-data-layer==0"
    assert not missing(text, {"async-data-layer": asked_for(lock.stem)}, environment)


@pytest.mark.parametrize(
    ("pinned", "instead", "noticed"),
    [
        (r"(?m)^greenlet==", "redlet==", "sqlalchemy needs greenlet"),
        (r"(?m)^anyio==[\d.]+", "anyio==3.0", "starlette needs anyio"),
        (r"(?m)^sqlalchemy\[asyncio\]==", "sqlalchemy==", "async-data-layer needs sqlalchemy[asyncio]"),
    ],
)
def test_incomplete_lock_is_noticed(
    pinned: str, instead: str, noticed: str, metadata: dict[str, Metadata], environment: dict[str, str]
) -> None:
    """The error names a missing package, version or extra, and what needs it."""
    lock = re.sub(pinned, instead, (ROOT / "requirements/run.txt").read_text()) + "\nasync-data-layer==0"
    found = missing(lock, {**metadata, "async-data-layer": asked_for("run")}, environment)
    assert any(line.startswith(noticed) for line in found)


def test_what_runs_is_what_was_tested() -> None:
    """Every pin that another lock shares with the development lock is the same in both."""
    tested = (ROOT / "requirements/dev.txt").read_text()
    assert names((ROOT / "requirements/run.txt").read_text()) <= names(tested)
    for lock in LOCKS:
        shared = [pin for pin in pins(lock.read_text()) if canonicalize_name(pin.name) in names(tested)]
        assert {(pin.name, pin.specifier) for pin in shared} <= {(pin.name, pin.specifier) for pin in pins(tested)}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_names_no_address(lock: Path) -> None:
    """A lock is installed from whichever index the reader's pip is set up for."""
    assert not re.search(r"(?m)://|^--|^-i", lock.read_text())
