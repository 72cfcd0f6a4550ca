"""What some tests need beyond Python, pip and make, and what is reported where a machine lacks it."""

import os
import shutil
from typing import Final, NoReturn

import pytest

_NO_PGBOUNCER: Final = (
    "PgBouncer is not installed: apt-get install pgbouncer (Debian, Ubuntu) or brew install pgbouncer (macOS)"
)
_NO_CITUS: Final = (
    "the server does not have Citus: set TEST_DATABASE_URL to one that has it, or TEST_DATABASE=docker for its image"
)
_ALSO_IN: Final = ("/usr/sbin", "/usr/local/sbin")  # not on the path of an ordinary user of Debian


def pgbouncer() -> str:
    """Return the path of PgBouncer; skip the test without it, or fail under CI=true."""
    program = _find_pgbouncer()
    if program is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up(_NO_PGBOUNCER)
    return program


def no_citus() -> NoReturn:
    """Skip the test, also under CI=true: no package brings the extension."""
    pytest.skip(_NO_CITUS)


def before_the_run() -> list[str]:
    """Return a sentence for each missing program."""
    return [] if _find_pgbouncer() else [f"{_NO_PGBOUNCER}; until then the tests that need it are skipped"]


def after_the_run(skipped: list[pytest.TestReport]) -> list[str]:
    """Return how many tests were skipped for each missing program."""
    counts = {why: sum(why in str(report.longrepr) for report in skipped) for why in (_NO_PGBOUNCER, _NO_CITUS)}
    return [f"tests skipped: {count}. {why}" for why, count in counts.items() if count]


def _find_pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), *_ALSO_IN]))
