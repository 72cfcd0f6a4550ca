"""Variables of the environment and of files like ``.env``, each with its place."""

import codecs
import os
import re
import unicodedata
from collections.abc import Collection, Mapping
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv.parser import Binding, parse_stream

from app.db.errors import ConfigurationError

_REFERENCE: Final = r"\$\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}"
_CONFLICT: Final = ("<<<<<<<", ">>>>>>>")
_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Variable:
    """A variable, spelled as it was found, and the file that it was found in; its repr has no value."""

    __slots__ = ("file", "name", "value")

    def __init__(self, name: str, value: str, file: str | None = None) -> None:
        self.name = name
        self.value = value
        self.file = file
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
    bindings = list(parse_stream(StringIO(_text_of(path))))
    below = {binding.key for binding in bindings}
    for binding in bindings:
        _refuse_what_sets_nothing(binding, path, prefix)
        if binding.key is None:  # a comment
            continue
        is_ours = binding.key.upper().startswith(prefix)
        if binding.value is None:
            if is_ours and binding.key.upper() not in found:  # else it is the `export NAME` that follows an assignment
                raise ConfigurationError(_wrong_line(binding, path, binding.key))
            continue
        label = f"{binding.key} in {path}" if is_ours else ""
        values[binding.key] = _expanded(binding.value, values, below, label)
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
    named = rf"(?<![A-Za-z0-9_]){prefix}[A-Za-z_]+"
    meant = re.search(named, _visible(names.partition("=")[0]), re.IGNORECASE)
    if meant and (binding.error or meant[0] != binding.key):
        raise ConfigurationError(_wrong_line(binding, path, meant[0]))
    inside = re.search(rf"\n\s*(export\s+)?(?P<name>{named})\s*=", text, re.IGNORECASE)
    if inside:
        raise ConfigurationError(
            f"{inside['name']} in {path} is inside the quotes that line {_line(binding)} opens; close them there"
        )
    if binding.error and text.startswith(_CONFLICT):
        raise ConfigurationError(f"line {_line(binding)} of {path} is of a merge conflict; resolve it")


def _visible(text: str) -> str:
    return "".join(each for each in text if unicodedata.category(each) != "Cf")


def _wrong_line(binding: Binding, path: Path, name: str) -> str:
    return f"line {_line(binding)} of {path} does not set {name}; write {name}=... in one line"


def _line(binding: Binding) -> int:
    blank = len(binding.original.string) - len(binding.original.string.lstrip())
    return binding.original.line + binding.original.string[:blank].count("\n")


def _expanded(value: str, values: Mapping[str, str], below: Collection[str | None], label: str) -> str:
    """Return `value` with ``${NAME}`` and ``${NAME:-default}`` filled in; `label` is empty where nothing is ours."""

    def filled(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        known = values.get(name, os.environ.get(name, default))
        if known is None and label:
            do = f"move {name} above it" if name in below and not label.startswith(f"{name} ") else f"set {name}"
            raise ConfigurationError(f"{label}: ${{{name}}} is not set; {do}, or write its value there")
        return known or default or ""

    return re.sub(_REFERENCE, filled, value)
