"""The audit of the pinned packages reports what it finds, and what it could not look up."""

import json
from typing import Any

import pytest

from tools.audit import verdict

CLEAN: dict[str, Any] = {"name": "clean", "version": "1", "vulns": []}
SKIPPED: dict[str, Any] = {"name": "unknown", "skip_reason": "not found on PyPI"}
HURT: dict[str, Any] = {"name": "hurt", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]}


def _of(*packages: dict[str, Any]) -> tuple[int, str]:
    return verdict(json.dumps({"dependencies": packages}), "")


def test_a_vulnerability_fails_the_check() -> None:
    """The report has its name, and the version that fixes it."""
    assert _of(CLEAN, HURT) == (1, "audit: known vulnerabilities:\nhurt 2: PYSEC-1, fixed in 2.1")


def test_what_is_well_is_counted() -> None:
    """Packages that could not be looked up are counted, too."""
    assert _of(CLEAN) == (0, "audit: 1 packages, none with a known vulnerability")
    assert _of(CLEAN, SKIPPED)[1].endswith("; 1 could not be looked up")


@pytest.mark.parametrize(
    ("output", "errors"),
    [
        (json.dumps({"dependencies": [SKIPPED]}), ""),
        ("", "requests.exceptions.ConnectionError: no route"),
        ("", "Traceback\nrequests.exceptions.SSLError: HTTPSConnectionPool(host='pypi.org', port=443): self-signed"),
        ("", "requests.exceptions.HTTPError: 407 Client Error: Proxy Authentication Required"),
        ("", "requests.exceptions.JSONDecodeError: Expecting value: line 1 column 1"),
        ("", "pip_audit._service.interface.ConnectionError: could not connect"),
    ],
    ids=["an index that knows nothing", "no connection", "a proxy's certificate", "a login", "a page", "as it says"],
)
def test_a_database_that_cannot_be_reached_is_not_taken_for_well(output: str, errors: str) -> None:
    """The check goes on and says that the audit was not done."""
    status, words = verdict(output, errors)
    assert (status, "NOT DONE" in words) == (0, True)


def test_a_broken_audit_fails_the_check() -> None:
    """The failure shows the audit's output."""
    assert verdict("", "no such option")[0] == 1
