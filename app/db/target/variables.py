"""Variables of the environment and of files like ``.env``, each with its place."""

import codecs
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from app.db.errors import ConfigurationError

_REFERENCE: Final = re.compile(r"\$\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}")
_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable, spelled as it was found, and the file that it was found in."""

    name: str
    value: str = field(repr=False)
    file: str | None = None
    """None is the environment."""

    @property
    def label(self) -> str:
        """Return the name for an error: with the file, if there is one."""
        return f"{self.name} in {self.file}" if self.file else self.name


def variables_of_environment(prefix: str) -> dict[str, Variable]:
    """Return the variables that begin with `prefix`, in whatever case, by their names in upper case."""
    found: dict[str, Variable] = {}
    for name, value in os.environ.items():
        if name.upper().startswith(prefix):
            _add(found, Variable(name, value))
    return found


def variables_of_file(path: Path, prefix: str) -> dict[str, Variable]:
    """Return the variables of a file that begin with `prefix`, by their names in upper case.

    Raises `ConfigurationError` for a file that cannot be read, and for a line that names such a variable and sets none.
    """
    if not (path.is_file() or path.is_fifo()):
        return {}
    found: dict[str, Variable] = {}
    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(_text_of(path))):
        _refuse_what_sets_nothing(binding, path, prefix)
        if binding.key is None or binding.value is None:  # a comment, or the `export NAME` that follows an assignment
            continue
        is_ours = binding.key.upper().startswith(prefix)
        values[binding.key] = _expanded(binding.value, values, f"{binding.key} in {path}" if is_ours else "")
        if is_ours:  # the last one counts, as in a shell
            found[binding.key.upper()] = Variable(binding.key, values[binding.key], str(path))
    return found


def _add(found: dict[str, Variable], variable: Variable) -> None:
    other = found.setdefault(variable.name.upper(), variable)
    if other.value != variable.value:
        raise ConfigurationError(f"{other.name} and {variable.name} are both set and differ; unset one of them")


def _text_of(path: Path) -> str:
    """Return the text of a file as editors and shells of any system write it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    encoding = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "utf-8")
    # Replaced and compared, not caught: a UnicodeError carries the text, in which there is a password.
    text = content.decode(encoding, errors="replace")
    if "\0" in text or "\ufffd" in text:
        raise ConfigurationError(f"{path} is not UTF-8; save it again in that encoding")
    return text


def _refuse_what_sets_nothing(binding: Binding, path: Path, prefix: str) -> None:
    """Raise for a line that names a variable of ours and sets none, like ``$env:NAME = ...`` or ``NAME: ...``."""
    text = binding.original.string.lstrip()
    names = text if binding.error else binding.key or ""
    meant = re.search(rf"(?<![A-Za-z0-9_]){prefix}[A-Za-z_]+", names.partition("=")[0], re.IGNORECASE)
    if meant and (binding.error or meant[0] != binding.key):
        blank = binding.original.string[: -len(text)]
        line = binding.original.line + blank.count("\n")
        raise ConfigurationError(f"line {line} of {path} does not set {meant[0]}; write {meant[0]}=... in one line")


def _expanded(value: str, values: Mapping[str, str], label: str) -> str:
    """Return `value` with ``${NAME}`` and ``${NAME:-default}`` filled in; `label` is empty where nothing is ours."""

    def filled(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        known = values.get(name, os.environ.get(name, default))
        if known is None and label:
            raise ConfigurationError(f"{label}: ${{{name}}} is not set; set {name}, or write its value there")
        return known or default or ""

    return _REFERENCE.sub(filled, value)
