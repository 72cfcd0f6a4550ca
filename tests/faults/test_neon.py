"""Neon's refusals: each text of its proxy and control plane is retried as its source says, and has advice."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.driver.connect import connect
from app.db.driver.neon import REASONS, SHOWS_NEON, Decision, Reason
from app.db.driver.retry import Retry
from app.db.errors import ConfigurationError, DataAccessError, UnavailableError
from app.db.migrations import upgrade
from app.doctor.connection.address import not_connected
from tests.support.canary import SECRET, shown_by
from tests.support.neon import INSECURE, NeonProxy, neon_proxy
from tests.support.neon_texts import REFUSALS

OVER_TLS = [(reason, said) for reason, said in REFUSALS if said != INSECURE]


@pytest.fixture(scope="module")
async def neon() -> AsyncIterator[NeonProxy]:
    """Run the stand-in for Neon's proxy."""
    async with neon_proxy() as proxy:
        yield proxy


async def _connect(url: str, **settings: Any) -> None:
    made = DatabaseSettings(url=url, **settings)
    connection = await Retry(made).connecting(lambda: connect(made, made.target()))
    connection.terminate()


async def _failure(url: str, **settings: float) -> DataAccessError:
    with pytest.raises(DataAccessError) as caught:
        await _connect(url, **settings)
    return caught.value


@pytest.mark.parametrize(
    ("reason", "said"),
    [(reason, said) for reason, said in OVER_TLS if reason.decision is not Decision.RETRY],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_text_that_waiting_does_not_remove_ends_the_call_after_one_attempt(
    neon: NeonProxy, reason: Reason, said: str
) -> None:
    """The error has the text and the advice once each, the doctor gives the same advice, and no password is shown."""
    neon.refuse(said, asks_password="password authentication" in said)
    failure = await _failure(neon.url(SECRET))
    assert neon.connects == 1
    assert isinstance(failure, ConfigurationError if reason.decision is Decision.FIX else UnavailableError)
    assert failure.sqlstate == (reason.sqlstate or "XX000")
    assert str(failure) == f"ada@localhost:{neon.port}/app: {said.rstrip('.')}. {reason.advice}"
    finding = not_connected(failure)
    assert (finding.advice, finding.found.endswith(said)) == (reason.advice, True)
    assert SECRET not in shown_by(failure)


@pytest.mark.parametrize(
    ("reason", "said"),
    [(reason, said) for reason, said in OVER_TLS if reason.decision is Decision.RETRY],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_text_that_passes_is_retried(neon: NeonProxy, reason: Reason, said: str) -> None:
    """The call gets its connection on the second attempt."""
    neon.refuse(said, times=1)
    await _connect(neon.url())
    assert neon.connects == 2


async def test_the_error_at_the_deadline_keeps_text_advice_and_sqlstate(neon: NeonProxy) -> None:
    """A code that the proxy replaced is recovered from the text."""
    for said, sqlstate in (("sorry, too many clients already", "53300"), ("Internal error", "XX000")):
        neon.refuse(said)
        failure = await _failure(neon.url(), retry_seconds=2)
        assert isinstance(failure, UnavailableError)
        assert (failure.sqlstate, bool(failure.advice)) == (sqlstate, True)
        assert str(failure).startswith("no connection within 2 s: ada@localhost")
        assert said in str(failure)


async def test_a_connection_without_tls_is_told_to_use_it(neon: NeonProxy) -> None:
    """Neon refuses sslmode=disable with its own text; following the advice removes the error."""
    failure = await _failure(neon.url(sslmode="disable", sslrootcert=""))
    assert INSECURE in str(failure)
    assert "sslmode=verify-full" in str(failure.advice)
    assert isinstance(failure, ConfigurationError)
    neon.refuse("", times=0)
    await _connect(neon.url())


@pytest.mark.parametrize(
    ("password", "advice"),
    [
        ("", "The URL has no password"),
        ("****", "The URL has the mask"),
        ("%2A%2A%2A%2A%2A%2A", "The URL has the mask"),
        ("\u2022\u2022\u2022\u2022", "The URL has the mask"),
        ("wrong", "reset the role's password"),
    ],
)
async def test_a_refused_password_is_missing_masked_or_wrong(neon: NeonProxy, password: str, advice: str) -> None:
    """Each case has its own advice, in the error and in the doctor."""
    neon.refuse("password authentication failed for user 'ada'", asks_password=True)
    failure = await _failure(neon.url(password))
    assert advice in str(failure)
    assert advice in str(not_connected(failure).advice)


async def test_a_migration_asks_no_more_often_than_a_call(neon: NeonProxy) -> None:
    """A permanent refusal ends `migrate` after one attempt too."""
    neon.refuse("The endpoint has been disabled. Enable it using Neon API and retry.")
    with pytest.raises(ConfigurationError, match="Enable the endpoint"):
        await upgrade(DatabaseSettings(url=neon.url()))
    assert neon.connects == 1


async def test_a_quota_is_known_by_its_text_whatever_its_code(neon: NeonProxy) -> None:
    """The proxy also sends it with 53000, which is transient elsewhere."""
    neon.refuse("Your project has exceeded the storage quota.", sqlstate="53000")
    assert isinstance(await _failure(neon.url()), ConfigurationError)
    assert neon.connects == 1


async def test_a_text_that_no_source_has_is_retried(neon: NeonProxy) -> None:
    """XX000 is also PostgreSQL's code for internal errors, and most of Neon's refusals are transient."""
    neon.refuse("something new", times=1)
    await _connect(neon.url())
    assert neon.connects == 2


def test_each_reason_is_found_in_a_text() -> None:
    """A reason that an earlier one hides, or whose pattern fits nothing, would never be given."""
    assert {reason for reason, _ in REFUSALS} == set(REASONS)


async def test_neon_is_recognised_by_what_the_server_says(db: Database) -> None:
    """A server is Neon's when it has the setting of Neon's storage, regardless of its host's name."""
    statement = text(f"select {SHOWS_NEON}")
    assert (await db.execute(statement)).scalar_one() is False
    async with db.transaction() as session:
        await session.execute(text("set local neon.timeline_id = '0123456789abcdef0123456789abcdef'"))
        assert (await session.execute(statement)).scalar_one() is True
