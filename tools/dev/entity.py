"""Start a new entity as a copy of the tasks: table, models, repository and routes, registered wherever the tasks are.

python -m tools.dev.entity Note
"""

import ast
import io
import keyword
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console

from app.db.migrations.operations.base import quoted
from app.repositories.entity import plural

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
    "app/api/dependencies.py": [r"(?<=from app\.repositories import )[^)]*?\bTaskRepo\b"],
    "app/api/app.py": [r"(?<=from app\.api import )[^)]*?\btasks\b", r"\btasks\.router"],
}
_LONGEST: Final = 30  # the names of indexes are longer, and PostgreSQL takes 63 characters
_RUFF: Final = (["format"], ["check", "--fix"], ["format"])


class Refused(Exception):  # noqa: N818 - the name is refused
    """The name cannot be an entity's; nothing was written."""


def renamed(text: str, name: str) -> str:
    """Return Python source with the new entity's name in place of the tasks': in prose as words."""
    return "".join(_in_prose(part, name) if _is_prose(part) else _in_code(part, name) for part in _parts(text))


def main(name: str) -> int:
    """Write the files of the entity, or none."""
    try:
        written = {path: _tidied(path, text) for path, text in _written(name).items()}
    except Refused as refused:
        _console.print(str(refused))
        return 2
    for path, text in written.items():
        Path(path).write_text(text)
    _console.print("\n".join(list(written)[: len(_COPIED)]))
    return 0


def _written(name: str) -> dict[str, str]:
    """Return the text of each file, the copies first; raises `Refused`."""
    _check_form(name)
    copies = {_in_code(path, name): renamed(Path(path).read_text(), name) for path in _COPIED}
    if there := [path for path in copies if Path(path).exists()]:
        raise Refused(f"{', '.join(there)}: there already")
    for path in {*_COPIED, *_LINES, *_WORDS}:
        _check_free(Path(path).read_text(), path, name)
    return copies | {path: _registered(path, name) for path in sorted({*_LINES, *_WORDS})}


def _check_form(name: str) -> None:
    word = _word(name)
    if not re.fullmatch(r"([A-Z][a-z0-9]+)+", name):
        raise Refused(f"{name or 'make entity name='}: give the name of a class, as in Note or HttpLog")
    if len(word) > _LONGEST:
        raise Refused(f"{name}: give a name of at most {_LONGEST} characters")
    if keyword.iskeyword(word) or keyword.iskeyword(name) or quoted(word) != word:
        raise Refused(f"{name}: {word} is a reserved word of Python or SQL; give a name of two words, as in Task{name}")


def _check_free(text: str, path: str, name: str) -> None:
    """Refuse a name that would give a second meaning to another name of the file."""
    names = set(_names(ast.parse(text)))
    ours = {each for each in names if "task" in each.lower()}
    if taken := {_in_code(each, name) for each in ours} & (names - ours):
        raise Refused(f"{name}: {path} has another {', '.join(sorted(taken))}; give another name")


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield what a module's variables, arguments, functions, classes and imports are called."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name) | ast.arg(arg=name) | ast.alias(name=name, asname=None) | ast.alias(asname=str(name))
            ):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name


def _registered(path: str, name: str) -> str:
    text = Path(path).read_text()
    for line in _LINES.get(path, ()):
        text, times = re.subn(f"^{line}\n", lambda found: found[0] + renamed(found[0], name), text, flags=re.MULTILINE)
        assert times, f"{path} does not name the tasks in a line like {line}"
    for words in _WORDS.get(path, ()):
        text, times = re.subn(words, lambda found: f"{found[0]}, {_in_code(_last_word(found[0]), name)}", text)
        assert times, f"{path} does not name the tasks as in {words}"
    return text


def _last_word(text: str) -> str:
    return re.split(r"[^\w.]", text)[-1]


def _tidied(path: str, text: str) -> str:
    """Return the text in the house's format; raises `Refused` with what ruff does not accept."""
    for command in _RUFF:
        arguments = [*command, "--quiet", "--stdin-filename", path, "-"]
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments], input=text, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise Refused(f"nothing was written: ruff does not accept {path}\n{ran.stderr}")
        text = ran.stdout
    return text


def _parts(text: str) -> Iterator[str]:
    """Yield the text in its tokens and what is between them."""
    lines, ended = text.splitlines(keepends=True), 0
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.NAME, tokenize.STRING, tokenize.COMMENT):
            continue
        begin, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        yield text[ended:begin]
        yield text[begin:end]
        ended = end
    yield text[ended:]


def _is_prose(part: str) -> bool:
    return " " in part.strip() and part.startswith(('"', "#"))


def _in_prose(text: str, name: str) -> str:
    noun = _word(name).replace("_", " ")
    text = re.sub(r"\b([Aa]) task\b", rf"\1{'n' if noun[0] in 'aeio' else ''} {noun}", text)
    for old, new in (("Tasks", plural(noun).capitalize()), ("tasks", plural(noun)), ("task", noun)):
        text = re.sub(rf"\b{old}\b", new, text)
    return _in_code(text, name)


def _in_code(text: str, name: str) -> str:
    word = _word(name)
    for old, new in (("Task", name), ("tasks", plural(word)), ("task", word)):
        text = text.replace(old, new)
    return text


def _word(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
