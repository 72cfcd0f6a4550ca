"""Install a lock file into a virtual environment and show the progress: install.py VENV LOCK.

It runs before anything is installed, on the Python that make was given, so it uses only the standard library.
"""

import re
import subprocess
import sys
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

OLDEST_PIP: Final = (23, 0)  # Debian 12 has 23.0.1
_OPTIONS: Final = (
    "--no-deps",  # the lock file is complete: no resolver can choose a version that it does not pin
    "--require-hashes",
    "--no-compile",  # Python compiles what it imports; compiling everything takes a third of the time
    "--progress-bar=off",
    "--no-warn-script-location",
    "--root-user-action=ignore",
)
_SECONDS_PER_PACKAGE: Final = 0.4  # measured: 110 packages take 51 to 77 s on two busy cores
_REPORT_SECONDS: Final = 3.0
_PIN: Final = re.compile(r"^[\w.-]+(\[[\w, -]+\])?==", re.MULTILINE)
_PACKAGE: Final = re.compile(r"^(?:Collecting |Processing \S*/|Ignoring )([\w.]+(?:-[a-z][\w.]*)*)")


class Installation:
    """One run of pip, whose output is read while it runs."""

    def __init__(self, venv: Path, lock: Path) -> None:
        self._pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(_python(venv))]
        self._venv = venv
        self._lock = lock
        self._pins = len(_PIN.findall(lock.read_text()))
        self._output: list[str] = []
        self._seen = 0
        self._stage = "fetching"

    def run(self) -> int:
        """Install the lock file without a resolver, then check for missing packages; return the exit status."""
        expected = max(10, round(self._pins * _SECONDS_PER_PACKAGE, -1))
        _say(f"installing {self._lock}: {self._pins} packages into {self._venv}, about {expected:.0f} s the first time")
        began = time.monotonic()
        status = self._install(began)
        if status:
            _say("".join(self._output))
            return status
        _say(f"installed in {time.monotonic() - began:.0f} s")
        return subprocess.run([*self._pip, "check"], check=False).returncode

    def _install(self, began: float) -> int:
        command = [*self._pip, "install", *_OPTIONS, "-r", str(self._lock)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
            reader = threading.Thread(target=self._read, args=(pip,), daemon=True)
            reader.start()
            while reader.is_alive():
                reader.join(_REPORT_SECONDS)
                if reader.is_alive():
                    _say(f"  {time.monotonic() - began:3.0f} s: {self._stage}")
        return pip.returncode

    def _read(self, pip: "subprocess.Popen[str]") -> None:
        assert pip.stdout
        for line in pip.stdout:
            self._output.append(line)
            if found := _PACKAGE.match(line):
                self._seen += 1
                self._stage = f"fetching {found[1]}, {self._seen} of {self._pins}"
            elif line.startswith("Installing collected"):
                self._stage = f"unpacking {line.count(',') + 1} packages"


def refuse_old_pip() -> None:
    """Exit with one sentence if pip is missing or cannot install into another environment with hashes."""
    advice = (
        f"pip {'.'.join(map(str, OLDEST_PIP))} or newer is needed; apt-get install python3-pip on Debian and Ubuntu"
    )
    try:
        found = version("pip")
    except PackageNotFoundError:
        sys.exit(f"{sys.executable} has no pip: {advice}")
    if tuple(int(part) for part in re.findall(r"\d+", found)[:2]) < OLDEST_PIP:
        sys.exit(f"pip {found} is too old: {advice}")


def _python(venv: Path) -> Path:
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    refuse_old_pip()
    sys.exit(Installation(Path(sys.argv[1]), Path(sys.argv[2])).run())
