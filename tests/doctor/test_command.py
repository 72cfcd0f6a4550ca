"""The command as an operator runs it: exit status, text, JSON, and never a password."""

import asyncio
import json
import signal
import socket
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from app.doctor import Level
from tests.doctor.command import command, environment, run_doctor
from tests.doctor.conftest import Clinic
from tests.support.canary import SECRET
from tests.support.waiting import LIMIT_SECONDS


def test_a_pasted_url_is_examined(clinic: Clinic) -> None:
    """The output is a table, everything is OK, and the status is 0."""
    ran = run_doctor(clinic.url())
    assert ran.returncode == 0, ran.stdout
    assert "All is well." in ran.stdout
    assert ran.stderr == ""


def test_database_url_is_examined(clinic: Clinic) -> None:
    """Without a URL the environment's is examined."""
    ran = run_doctor("--json", DATABASE_URL=clinic.url())
    assert ran.returncode == 0, ran.stdout
    assert json.loads(ran.stdout)["worst"] == "note"


def test_json_has_stable_keys(clinic: Clinic) -> None:
    """Programs rely on them."""
    report = json.loads(run_doctor("--json", clinic.url()).stdout)
    assert list(report) == ["exit_status", "reached", "worst", "findings"]
    assert {tuple(finding) for finding in report["findings"]} == {("check", "level", "found", "advice")}
    assert {finding["level"] for finding in report["findings"]} <= {level.name.lower() for level in Level}
    checks = [finding["check"] for finding in report["findings"]]
    assert len(checks) == len(set(checks))


@pytest.mark.parametrize(("query", "status"), [("sslmode=require", 1), ("sslmode=verify-full&sslrootcert={ca}", 0)])
def test_the_status_is_of_the_worst_finding(clinic: Clinic, query: str, status: int) -> None:
    """It is 1 for warnings; the advice comes last, where it is seen."""
    ran = run_doctor(clinic.url(query=query))
    assert ran.returncode == status
    assert ("sslmode=verify-full" in ran.stdout.partition("What to do:")[2]) == (status == 1)


def test_groups_in_which_all_is_well_are_one_line(clinic: Clinic) -> None:
    """Without `--verbose` a group shows only its counts, and an error's advice appears once, alone."""
    url = clinic.url(query="sslmode=require")
    short, full = (run_doctor("--instances", "8", *more, url).stdout for more in ([], ["--verbose"]))
    groups, _, to_do = short.partition("\n\n")
    counts = dict(line.split(maxsplit=1) for line in groups.splitlines())
    assert (counts["tls"], counts["latency"], counts["capacity"]) == ("1 warning, 2 ok", "3 ok", "1 error, 1 ok")
    assert to_do.startswith(
        "1 error, 2 warnings, 9 notes; --verbose shows every finding. What to do:\nerror: capacity."
    )
    assert to_do.count("Write sslmode=verify-full") == 1
    assert "at head" not in short
    assert "at head" in full


def test_errors_are_2(clinic: Clinic) -> None:
    """Eight instances are too many for this server."""
    assert run_doctor("--instances", "8", clinic.url()).returncode == 2


NO_CONNECTION = {
    "nothing listens": ("postgresql://app:{secret}@127.0.0.1:1/db?sslmode=disable", "Nothing listens there"),
    "an unknown host": ("postgresql://app:{secret}@nowhere.invalid/db", "The host name cannot be resolved"),
    "a wrong password": ("postgresql://app:x{secret}@localhost:{port}/healthy", "set a new password"),
    "no such database": (
        "postgresql://app:{secret}@localhost:{port}/elsewhere",
        "create database elsewhere owner app;",
    ),
    "another CA": (
        "postgresql://app:{secret}@localhost:{port}/healthy?sslmode=verify-full&sslrootcert={other}",
        "its CA is not trusted here",
    ),
    "a certificate for another host": (
        "postgresql://app:{secret}@127.0.0.1:{port}/healthy?sslmode=verify-full&sslrootcert={ca}",
        "it was issued for another address",
    ),
    "another scheme": ("mysql://app:{secret}@localhost/db", "it begins with mysql://"),
    "a password that is not encoded": ("postgresql://app:{secret}@x@localhost/db", "write %40 for @"),
    "a password after a slash": ("postgresql://app:x/{secret}@localhost/db", "%2F"),
    "a password as a parameter": ("postgresql://app@localhost/db?password={secret}&x={secret}", "write %26 for a &"),
    "a parameter of another's": ("postgresql://app:{secret}@localhost/db?sslcrl={secret}", "sslcrl is not supported"),
    "no host": ("postgresql://app:{secret}@/db", "it names no host"),
    "a port that is none": ("postgresql://app:{secret}@localhost:{secret}/db", "the port is not a number"),
    "a wrong password, encoded": ("postgresql://app:%2F{secret}%40@localhost:{port}/healthy", "set a new password"),
    "a password with a sign of its own": ("postgresql://app:x%zz{secret}@localhost/db", "write %25 for a literal %"),
    "a role that is not there": ("postgresql://who:{secret}@localhost:{port}/healthy", "set a new password"),
    "a CA that is no file": ("postgresql://app:{secret}@localhost/db?sslrootcert=/no/such.pem", "No such file"),
    "a space in it": ("postgresql://app:x {secret}@localhost/db", "it has a space"),
}


@pytest.mark.parametrize(("url", "says"), NO_CONNECTION.values(), ids=NO_CONNECTION)
async def test_no_connection_is_3_and_says_why(clinic: Clinic, url: str, says: str) -> None:
    """Text and JSON both give the reason and the advice, and never the password."""
    port, encoded = clinic.server.port, quote(SECRET)
    url = url.format(secret=encoded, port=port, ca=clinic.ca, other=clinic.other_ca)
    table, as_json = await asyncio.gather(
        asyncio.to_thread(run_doctor, url), asyncio.to_thread(run_doctor, "--json", url)
    )
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
    """No mode of output shows it, regardless of how the URL is written."""
    ran = run_doctor(*(argument.format(url=clinic.url()) for argument in arguments))
    assert SECRET not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_any_url_it_says_what_to_set(tmp_path: Path) -> None:
    """Without a URL and a `.env` file, the message says to set DATABASE_URL, and how, once."""
    ran = run_doctor(folder=tmp_path)
    assert ran.returncode == 3
    assert "Set DATABASE_URL" in ran.stdout
    assert ran.stdout.count("postgresql://") == 1


def test_a_url_that_is_given_is_alone(clinic: Clinic) -> None:
    """DATABASE_DIRECT_URL belongs to DATABASE_URL, so a given URL never writes to its database by mistake."""
    elsewhere = "postgresql://app:x@127.0.0.1:1/another"
    ran = run_doctor("--json", "--write", clinic.url(user="app_owner"), DATABASE_DIRECT_URL=elsewhere)
    bad = [each["check"] for each in json.loads(ran.stdout)["findings"] if each["level"] in ("warning", "error")]
    assert bad == ["access.role"]


def test_what_to_run_can_be_copied(clinic: Clinic) -> None:
    """A statement stays on one line, even in a narrow terminal."""
    ran = run_doctor(clinic.url(query="sslmode=require"), COLUMNS="40")
    advice = "Write sslmode=verify-full into the URL; for a private CA also sslrootcert=/path/to/ca.crt."
    assert advice in [line.strip() for line in ran.stdout.splitlines()]


@pytest.mark.parametrize("instances", ["0", "-1", "many"])
def test_a_command_line_that_is_wrong_examines_nothing(clinic: Clinic, instances: str) -> None:
    """The command says what is wrong with it."""
    ran = run_doctor("--instances", instances, clinic.url())
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--instances" in ran.stderr


async def test_who_waits_for_a_server_that_is_silent_can_interrupt() -> None:
    """Ctrl-C ends the command at once, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://app:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/db"
        process = await asyncio.create_subprocess_exec(*command(url), env=environment(), stdout=PIPE, stderr=PIPE)
        with (await asyncio.to_thread(silent.accept))[0]:
            process.send_signal(signal.SIGINT)
            printed, said = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    assert (process.returncode, printed, said) == (130, b"", b"interrupted\n")
