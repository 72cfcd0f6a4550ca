"""What a machine lacks is reported before the run, skipped in it and counted after it."""

import os
import subprocess
import sys

from tests.support.locks import ROOT

WITHOUT_PGBOUNCER = """
import shutil, sys, pytest
which = shutil.which
shutil.which = lambda name, **options: None if name == "pgbouncer" else which(name, **options)
sys.exit(pytest.main(["-p", "no:cacheprovider", "tests/faults/test_support_pgbouncer.py"]))
"""


def run(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Run tests that need PgBouncer where it is not installed."""
    without = {name: value for name, value in os.environ.items() if name != "CI"}
    command = [sys.executable, "-c", WITHOUT_PGBOUNCER]
    return subprocess.run(
        command, cwd=ROOT, env={**without, **environment}, capture_output=True, text=True, check=False
    )


def test_missing_pgbouncer_skips_the_tests_that_need_it() -> None:
    """One sentence before the first test says how to install it, and the last lines say how many were skipped."""
    ran = run()
    assert ran.returncode == 0, ran.stdout
    before, _, after = ran.stdout.partition("collected ")
    assert "PgBouncer is not installed: apt-get install pgbouncer" in before
    count = int(after.split()[0])
    assert f"tests skipped: {count}. PgBouncer is not installed" in after
    assert f"{count} skipped" in after


def test_missing_pgbouncer_is_an_error_in_ci() -> None:
    """A run that decides on a change must not pass with a part of the tests skipped."""
    ran = run(CI="true")
    assert ran.returncode == 1
    assert "PgBouncer is not installed" in ran.stdout
    assert "passed" not in ran.stdout
