"""Private names of other libraries are few, listed on one page, used only where it says, and still exist."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/private-names.md").read_text()
LISTED = dict(re.findall(r"^\| `([\w.]+)` \| ([\w./]+) \|", PAGE, flags=re.MULTILINE))
FILES = [file for folder in ("app", "alembic", "tools") for file in sorted((ROOT / folder).rglob("*.py"))]
OWN = {"self", "cls", "super"}
OURS = ("app",)
MACHINERY = (
    "builtins",
    "abc",
    "typing",
    "enum",
    "pydantic",
    "pydantic_settings",
    "sqlmodel",
)  # write into each subclass
DOCUMENTED = {"_exit", "_replace"}  # from os and of named tuples, and public in spite of their names


def _private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def _defined_here(tree: ast.Module) -> set[str]:
    """Return the private names that this file's own classes and functions define."""
    named = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    stored = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_own(node.value)}
    return named | stored


def _is_own(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in OWN


def _used(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that are imported, or read from objects of other modules."""
    ours = _defined_here(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _private(node.attr) and not _is_own(node.value):
            yield from [] if node.attr in ours else [node.attr]
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("app"):
            yield from (alias.name for alias in node.names if _private(alias.name))
            yield from (part for part in (node.module or "").split(".") if _private(part))


def _overridden(file: Path, tree: ast.Module) -> Iterator[str]:
    """Yield the private names that a class of this file overrides in a class of another library."""
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            bases = getattr(module, node.name).__mro__[1:]
            theirs = [base for base in bases if base.__module__.partition(".")[0] != "app"]
            yield from (name for name in _written(node) if any(name in vars(base) for base in theirs))


def _written(cls: ast.ClassDef) -> Iterator[str]:
    """Yield the private names that a class assigns, in its body or on `self`."""
    for node in cls.body:
        names = [node.name] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
        targets = node.targets if isinstance(node, ast.Assign) else []
        names += [target.id for target in targets if isinstance(target, ast.Name)]
        names += [
            each.attr
            for each in ast.walk(node)
            if isinstance(each, ast.Attribute) and isinstance(each.ctx, ast.Store) and _is_own(each.value)
        ]
        yield from filter(_private, names)


def _names(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    importable = file.is_relative_to(ROOT / "app") and file.name != "__main__.py"
    return {*_used(tree), *(_overridden(file, tree) if importable else ())} - DOCUMENTED


def test_each_private_name_is_listed_with_its_file() -> None:
    """A new one needs a line that says why nothing public works; a removed one loses its line."""
    used = {(name, str(file.relative_to(ROOT))) for file in FILES for name in _names(file)}
    assert used == {(name.rpartition(".")[2], file) for name, file in LISTED.items()}


def test_there_are_at_most_ten() -> None:
    """Each is a risk at every upgrade."""
    assert 0 < len(LISTED) <= 10


@pytest.mark.parametrize("name", LISTED)
def test_a_private_name_is_still_there(name: str) -> None:
    """If an upgrade renames one, the failure names it and where it is used."""
    owner, _, attribute = name.rpartition(".")
    module, _, cls = owner.rpartition(".")
    found: Any = getattr(import_module(module), cls)
    assert hasattr(found, attribute), f"{owner} has no {attribute} any more: {LISTED[name]} needs another way"
