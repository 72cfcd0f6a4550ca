"""The installation that starts every make target says what it does, and fails when it is incomplete."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.index import require_index
from tests.support.locks import ROOT


def lock_of(*packages: str) -> str:
    """Return the lines of the development lock that pin these packages."""
    dev = (ROOT / "requirements/dev.txt").read_text()
    found = [re.search(rf"(?m)^{package}==(?:.*\\\n)*.*$", dev) for package in packages]
    return "\n".join(match[0] for match in found if match)


def install(lock: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Install a lock into a new environment in `folder`."""
    require_index()
    (folder / "lock.txt").write_text(lock)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    command: list[str | Path] = [sys.executable, ROOT / "tools/dev/install.py", folder / "venv", folder / "lock.txt"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_installation_says_what_it_installs_and_how_long_it_takes(tmp_path: Path) -> None:
    """It prints the number of packages, an estimate before and the measured time after."""
    ran = install(lock_of("markdown-it-py", "mdurl"), tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"installing .*lock.txt: 2 packages into .*venv, about \d+ s", ran.stdout)
    assert re.search(r"installed in \d+ s", ran.stdout)
    assert list(tmp_path.glob("venv/lib/*/site-packages/markdown_it"))


def test_incomplete_lock_fails_and_names_what_is_missing(tmp_path: Path) -> None:
    """No resolver adds what the lock lacks, and the check afterwards names it."""
    ran = install(lock_of("markdown-it-py"), tmp_path)
    assert ran.returncode != 0
    assert "markdown-it-py" in ran.stdout
    assert "mdurl" in ran.stdout


def test_changed_package_is_refused_in_the_words_of_pip(tmp_path: Path) -> None:
    """A package whose hash is not in the lock is not installed, and pip's own output is shown."""
    ran = install(re.sub(r"sha256:\w{8}", "sha256:00000000", lock_of("mdurl")), tmp_path)
    assert ran.returncode != 0
    assert "HASHES" in ran.stdout
    assert not list(tmp_path.glob("venv/lib/*/site-packages/mdurl"))


@pytest.mark.parametrize(
    ("files", "said"), [({"pip-22.2.dist-info/METADATA": "Version: 22.2"}, "too old"), ({}, "no pip")]
)
def test_old_or_missing_pip_is_said_in_one_sentence(files: dict[str, str], said: str, tmp_path: Path) -> None:
    """There is no traceback, and no error of pip about an unknown option."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(f"Metadata-Version: 2.1\nName: pip\n{text}\n")
    code = f"import sys; sys.path[:] = [{str(tmp_path)!r}, *[p for p in sys.path if 'site-packages' not in p]]\n"
    code += f"import runpy; runpy.run_path({str(ROOT / 'tools/dev/install.py')!r}, run_name='__main__')"
    ran = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
