"""Check that the documented programs pass mypy and pyright with their default settings: no plugins.

The programs are ``examples/`` and every Python block of README.md and ``docs/``.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MYPY: Final = "[mypy]\nstrict = true\npython_version = 3.11\nexplicit_package_bases = true\nfollow_imports = silent\n"
_PYRIGHT: Final = {"typeCheckingMode": "standard", "pythonVersion": "3.11", "extraPaths": [str(ROOT)]}


def programs() -> Iterator[tuple[str, str]]:
    """Yield each program with a file name that says where it comes from."""
    for example in sorted((ROOT / "examples").glob("*.py")):
        yield example.name, example.read_text()
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        for number, block in enumerate(_BLOCK.findall(page.read_text()), 1):
            yield f"{page.stem.replace('-', '_')}_{number}.py", block


def complaints(folder: Path) -> str:
    """Return the errors of mypy and pyright for the programs in `folder`; empty if there are none."""
    (folder / "mypy.ini").write_text(_MYPY)
    (folder / "pyrightconfig.json").write_text(json.dumps(_PYRIGHT))
    cache = ROOT / ".mypy_cache" / "programs"
    mypy = ("mypy", "--config-file", "mypy.ini", "--cache-dir", str(cache), "--no-error-summary", ".")
    pyright = ("basedpyright", "--project", ".", "--pythonpath", sys.executable, "--level", "error")
    return "".join(_said(command, folder) for command in (mypy, pyright))


def _said(command: tuple[str, ...], folder: Path) -> str:
    program = Path(sys.executable).with_name(command[0])
    environment = {"MYPYPATH": str(ROOT), "PATH": str(program.parent)}
    ran = subprocess.run(  # noqa: S603 - our own arguments
        [program, *command[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ran.stdout + ran.stderr if ran.returncode else ""


def main() -> None:
    """Check all programs; exit with the errors."""
    with TemporaryDirectory() as folder:
        for name, program in programs():
            (Path(folder) / name).write_text(program)
        said = complaints(Path(folder))
    sys.exit(said or 0)


if __name__ == "__main__":
    main()
