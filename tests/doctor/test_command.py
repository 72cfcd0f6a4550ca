"""The command as an operator runs it: exit status, words, JSON, and never a password."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

from app.doctor import Level
from tests.doctor.conftest import Clinic
from tests.support.canary import SECRET
from tests.support.migrations import until

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = "select from pg_namespace where starts_with(nspname, 'doctor_')"


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "app", "doctor", *arguments]


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_")}
    return {**kept, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **more}


def _doctor(*arguments: str, folder: Path = ROOT, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command(*arguments),
        cwd=folder,
        env=_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_pasted_url_is_examined(clinic: Clinic) -> None:
    """A table for people: all is well, and the status is 0."""
    ran = _doctor(clinic.url())
    assert ran.returncode == 0, ran.stdout
    assert "All is well." in ran.stdout
    assert ran.stderr == ""


def test_database_url_is_examined(clinic: Clinic) -> None:
    """Where no URL is given, the environment's."""
    ran = _doctor("--json", DATABASE_URL=clinic.url())
    assert ran.returncode == 0, ran.stdout
    assert json.loads(ran.stdout)["worst"] == "note"


def test_json_has_stable_keys(clinic: Clinic) -> None:
    """Programs go by them."""
    report = json.loads(_doctor("--json", clinic.url()).stdout)
    assert list(report) == ["exit_status", "reached", "worst", "findings"]
    assert {tuple(finding) for finding in report["findings"]} == {("check", "level", "found", "advice")}
    assert {finding["level"] for finding in report["findings"]} <= {level.name.lower() for level in Level}
    checks = [finding["check"] for finding in report["findings"]]
    assert len(checks) == len(set(checks))


@pytest.mark.parametrize(("query", "status"), [("sslmode=require", 1), ("sslmode=verify-full&sslrootcert={ca}", 0)])
def test_the_status_is_of_the_worst_finding(clinic: Clinic, query: str, status: int) -> None:
    """1 for warnings; what to do stands at the end, where the eye is."""
    ran = _doctor(clinic.url(query=query))
    assert ran.returncode == status
    assert ("sslmode=verify-full" in ran.stdout[-400:]) == (status == 1)


def test_errors_are_2(clinic: Clinic) -> None:
    """Eight instances are too many for this server."""
    assert _doctor("--instances", "8", clinic.url()).returncode == 2


NO_CONNECTION = {
    "nothing listens": ("postgresql://app:{secret}@127.0.0.1:1/db?sslmode=disable", "Nothing listens there"),
    "an unknown host": ("postgresql://app:{secret}@nowhere.invalid/db", "The name of the host is not known"),
    "a wrong password": ("postgresql://app:x{secret}@localhost:{port}/healthy", "set a new password"),
    "no such database": ("postgresql://app:{secret}@localhost:{port}/elsewhere", "Create the database"),
    "another CA": (
        "postgresql://app:{secret}@localhost:{port}/healthy?sslmode=verify-full&sslrootcert={other}",
        "its CA is not trusted here",
    ),
    "a certificate for another host": (
        "postgresql://app:{secret}@127.0.0.1:{port}/healthy?sslmode=verify-full&sslrootcert={ca}",
        "it is for another address",
    ),
    "another scheme": ("mysql://app:{secret}@localhost/db", "it begins with mysql://"),
    "a password that is not encoded": ("postgresql://app:{secret}@x@localhost/db", "write %40 for @"),
    "a password after a slash": ("postgresql://app:x/{secret}@localhost/db", "%2F"),
    "a password as a parameter": ("postgresql://app@localhost/db?password={secret}", "password cannot be a parameter"),
    "a parameter of another's": ("postgresql://app:{secret}@localhost/db?schema={secret}", "schema is not supported"),
    "no host": ("postgresql://app:{secret}@/db", "it names no host"),
    "a port that is none": ("postgresql://app:{secret}@localhost:{secret}/db", "the port is no number"),
    "a space in it": ("postgresql://app:x {secret}@localhost/db", "it has a space"),
}


@pytest.mark.parametrize(("url", "says"), NO_CONNECTION.values(), ids=NO_CONNECTION)
async def test_no_connection_is_3_and_says_why(clinic: Clinic, url: str, says: str) -> None:
    """For people and programs, with what to do, soon, and without the password."""
    port, encoded = clinic.server.port, quote(SECRET)
    url = url.format(secret=encoded, port=port, ca=clinic.ca, other=clinic.other_ca)
    began = time.monotonic()
    table, as_json = await asyncio.gather(asyncio.to_thread(_doctor, url), asyncio.to_thread(_doctor, "--json", url))
    assert time.monotonic() - began < 10
    for ran in (table, as_json):
        assert ran.returncode == 3, ran.stdout
        assert says in ran.stdout
        assert "Traceback" not in ran.stderr
        assert SECRET not in ran.stdout + ran.stderr
    assert json.loads(as_json.stdout)["reached"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ["{url}"],
        ["--json", "{url}"],
        ["--write", "{url}"],
        ["psql", "{url}"],
        ["{url}", SECRET],
        ["--no-such", "{url}"],
    ],
    ids=["table", "json", "write", "psql before it", "a word after it", "an unknown option"],
)
def test_the_password_is_never_shown(clinic: Clinic, arguments: Sequence[str]) -> None:
    """In no mode of output, however it is pasted."""
    ran = _doctor(*(argument.format(url=clinic.url()) for argument in arguments))
    assert SECRET not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_any_url_it_says_what_to_set(tmp_path: Path) -> None:
    """Where there is no `.env` either."""
    ran = _doctor(folder=tmp_path)
    assert ran.returncode == 3
    assert "Set DATABASE_URL" in ran.stdout


def test_a_url_that_is_given_is_alone(clinic: Clinic) -> None:
    """DATABASE_DIRECT_URL belongs to DATABASE_URL: nothing is written into its database by mistake."""
    ran = _doctor("--json", "--write", clinic.url(), DATABASE_DIRECT_URL="postgresql://app:x@127.0.0.1:1/another")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
async def test_an_interrupted_doctor_leaves_nothing(clinic: Clinic, asked: signal.Signals) -> None:
    """The scratch schema goes, although what was done in it was not done yet."""
    process = await asyncio.create_subprocess_exec(
        *_command("--write", clinic.url()), env=_environment(), stdout=DEVNULL, stderr=PIPE
    )
    async with clinic.as_superuser("healthy") as db:
        await until(db, f"select exists ({SCRATCH})")
        await asyncio.sleep(0.3)
        process.send_signal(asked)
        _, said = await asyncio.wait_for(process.communicate(), 20)
        assert (await db.execute(text(f"select exists ({SCRATCH})"))).scalar_one() is False
    assert said.decode() == "interrupted; what the doctor made is removed\n"
    assert process.returncode == 130
