"""Start a new entity as a copy of the tasks: table, models, repository and routes, registered wherever the tasks are.

python -m tools.dev.entity Note
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console

_ROOT: Final = Path.cwd()
_console: Final = Console(soft_wrap=True, highlight=False)
_COPIED: Final = ("app/db/models/task.py", "app/repositories/tasks.py", "app/api/tasks.py")
_NAMES: Final = ("Task", "TaskCreate", "TaskRead", "TaskUpdate", "TaskRepo")
# Other places that name the tasks: lines with these beginnings are copied, and the words are added after the tasks'.
_LINES: Final = {
    "app/db/models/__init__.py": [r"from app\.db\.models\.task import .*", *(rf'    "{name}",' for name in _NAMES[:4])],
    "app/repositories/__init__.py": [r"from app\.repositories\.tasks import .*", r'    "TaskRepo",'],
    "app/api/dependencies.py": [r"(?:async )?def _tasks(?:.*\n)*?    return .*\n\n", r"TaskRepoDep = .*"],
}
_WORDS: Final = {
    "app/api/dependencies.py": [r"(?<=import ).*\bTaskRepo\b"],
    "app/api/app.py": [r"(?<=from app\.api import ).*\btasks\b", r"\btasks\.router"],
}


def renamed(text: str, name: str) -> str:
    """Return the text with the new entity's name in place of the tasks'."""
    word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    for old, new in (("Task", name), ("task", word)):
        text = text.replace(old, new)
    return text


def main(name: str) -> int:
    """Write the files of the entity, which must not exist yet."""
    if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name):
        _console.print(f"{name}: give the name of a class, as in Note")
        return 2
    copies = {_ROOT / renamed(path, name): renamed((_ROOT / path).read_text(), name) for path in _COPIED}
    if there := [str(path) for path in copies if path.exists()]:
        _console.print(f"{', '.join(there)}: there already")
        return 2
    for path, text in copies.items():
        path.write_text(text)
    for path in map(Path, {*_LINES, *_WORDS}):
        path.write_text(_registered(path, name))
    changed = [str(path) for path in (*copies, *_LINES, *_WORDS)]
    for command in (["check", "--fix", "--quiet"], ["format", "--quiet"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, *changed], check=True)
    _console.print("\n".join(str(path.relative_to(_ROOT)) for path in copies))
    return 0


def _registered(path: Path, name: str) -> str:
    text = path.read_text()
    for line in _LINES.get(str(path), ()):
        text, times = re.subn(f"^{line}\n", lambda found: found[0] + renamed(found[0], name), text, flags=re.MULTILINE)
        assert times, f"{path} does not name the tasks in a line like {line}"
    for words in _WORDS.get(str(path), ()):
        text, times = re.subn(words, lambda found: f"{found[0]}, {renamed(found[0].split(', ')[-1], name)}", text)
        assert times, f"{path} does not name the tasks as in {words}"
    return text


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
