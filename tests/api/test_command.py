"""``python -m app.api``, as an operator runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.support import AUDIENCE, ISSUER, SECRET

ROOT = Path(__file__).parents[2]
GOOD = {
    "API_JWT_SECRET": SECRET,
    "API_JWT_ISSUER": ISSUER,
    "API_JWT_AUDIENCE": AUDIENCE,
    "DATABASE_URL": "postgresql://ada@nowhere.invalid/x",
}
WRONG: dict[str, tuple[dict[str, str], list[str], str]] = {
    "no secret": ({"API_JWT_SECRET": ""}, [], "API_JWT_SECRET"),
    "a short secret": ({"API_JWT_SECRET": "short"}, [], "openssl rand -hex 32"),
    "a secret that repeats": ({"API_JWT_SECRET": "changeme" * 8}, [], "openssl rand -hex 32"),
    "no issuer": ({"API_JWT_ISSUER": ""}, [], "Set API_JWT_ISSUER, in the environment or in .env"),
    "no database": ({"DATABASE_URL": ""}, [], "DATABASE_URL"),
    "an unusable URL": ({"DATABASE_URL": "mysql://x"}, [], "DATABASE_URL"),
    "no such application": ({}, ["nowhere:create"], 'Could not import module "nowhere"'),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_settings_are_a_sentence(tmp_path: Path, name: str) -> None:
    """The command exits with 2 and says what is wrong, without a traceback."""
    changes, arguments, says = WRONG[name]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("API_", "DATABASE_"))}
    ran = subprocess.run(
        [sys.executable, "-m", "app.api", *arguments],
        cwd=tmp_path,
        env={**kept, "PYTHONPATH": str(ROOT), **GOOD, **changes},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr
