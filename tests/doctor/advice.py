"""Follow the doctor's advice literally."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from app.db import Database
from app.doctor import Finding, Level, examine
from tests.doctor.conftest import Clinic

ROOT = Path(__file__).resolve().parents[2]
COMMAND = re.compile(r"(?:[Rr]un:? |then: )((?:python -m app|alembic) [a-z -]+)")


async def run_statements(db: Database, advice: str) -> None:
    """Run the statements of an advice in order, each in its own transaction."""
    async with db.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in filter(None, map(str.strip, advice.split(";"))):
            await connection.exec_driver_sql(statement)


async def run_commands(advice: str, environment: dict[str, str]) -> None:
    """Run the commands of an advice with the application's settings in the environment."""
    for command in COMMAND.findall(advice):
        program, *arguments = command.split()
        words = [sys.executable, *arguments] if program == "python" else [sys.executable, "-m", program, *arguments]
        ran = await asyncio.to_thread(
            subprocess.run,
            words,
            cwd=ROOT,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"


async def follow(clinic: Clinic, name: str, finding: Finding) -> None:
    """Run the commands or the statements of a finding's advice on the database `name`."""
    if COMMAND.search(finding.advice):
        await run_commands(finding.advice, clinic.environment(name))
        return
    async with clinic.as_superuser(name) as db:
        await run_statements(db, finding.advice)


async def found(clinic: Clinic, name: str, group: str) -> list[Finding]:
    """Return the findings of a group of checks that are not OK."""
    report = await examine(clinic.settings(name))
    assert [each for each in report.findings if "could not be checked" in each.found] == []
    return [each for each in report.findings if each.check.startswith(group) and each.level > Level.NOTE]
