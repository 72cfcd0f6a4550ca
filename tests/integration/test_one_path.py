"""A repository's call takes one path, with or without telemetry and listeners."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from sqlalchemy import Engine, event, text

from app.db import Database, DatabaseSettings
from app.db.telemetry.execution import Execution
from app.db.telemetry.spans import opentelemetry
from app.doctor.measuring.round_trips import RoundTrips
from app.repositories import TaskRepo

WATCHED = ["nothing", "slow log", "echo", "spans", "a listener on the engine", "a listener on the class", "removed"]


@pytest.fixture
async def watched_db(migrated_url: str) -> AsyncIterator[Database]:
    """Open a database of one connection."""
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as db:
        yield db


@contextmanager
def _listening(to: Any, heard: list[str]) -> Iterator[None]:
    def hear(_: object, __: object, statement: str, *___: object) -> None:
        heard.append(statement)

    event.listen(to, "before_cursor_execute", hear)
    try:
        yield
    finally:
        event.remove(to, "before_cursor_execute", hear)


def _spans(db: Database) -> MeterProvider:
    meters = MeterProvider([InMemoryMetricReader()])
    db.report_to(opentelemetry("test", "app", tracer_provider=TracerProvider(), meter_provider=meters))
    return meters


@pytest.mark.parametrize("watched", WATCHED)
async def test_a_call_is_one_round_trip_and_passes_sqlalchemy_by(
    migrated_url: str, user_id: str, watched: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So telemetry adds little cost, and an APM agent's listener adds none."""
    monkeypatch.setattr(Engine, "_has_events", Engine._has_events)  # which SQLAlchemy leaves set for good
    heard: list[str] = []
    settings = DatabaseSettings(
        url=migrated_url,
        pool_size=1,
        echo=watched == "echo",
        slow_statement_seconds=0.000_001 if watched == "slow log" else None,
    )
    async with Database(settings) as db:
        trips, meters = RoundTrips.of(db.pool), _spans(db) if watched == "spans" else None
        if watched == "removed":
            with _listening(Engine, heard):
                pass
        listened: Any = {"a listener on the engine": db.engine.sync_engine, "a listener on the class": Engine}
        with _listening(listened.get(watched, Database(settings).engine.sync_engine), heard):
            await TaskRepo(db).count(user_id)
            trips.reset()
            await TaskRepo(db).count(user_id)
        if meters:
            meters.shutdown()
    assert trips.count == 1
    assert heard == []


async def test_a_listener_on_the_engine_hears_sessions(watched_db: Database, user_id: str) -> None:
    """It gets what passes through SQLAlchemy: the statements of sessions, and of repositories in a session."""
    heard: list[str] = []
    with _listening(watched_db.engine.sync_engine, heard):
        await TaskRepo(watched_db).count(user_id)
        async with watched_db.transaction() as session:
            await session.execute(text("select 'mine'"))
            await TaskRepo(session).count(user_id)
        await watched_db.execute(text("select 'alone'"))
    assert [statement.split()[1] for statement in heard] == ["'mine'", "count(*)", "'alone'"]


async def test_a_report_that_fails_fails_no_call(
    watched_db: Database, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The statement was executed: only the log tells of the report."""

    def fail(_: Execution) -> None:
        raise LookupError("no exporter")

    watched_db.report_to(fail)
    assert await TaskRepo(watched_db).count(user_id) == 0
    async with watched_db.transaction() as session:
        assert await TaskRepo(session).count(user_id) == 0
    assert [record.getMessage() for record in caplog.records] == ["a report on the statement tasks.count failed"] * 2


async def test_a_report_hears_every_executor(watched_db: Database, user_id: str) -> None:
    """`Database.report_to` reports each call with the times of its phases."""
    heard: list[Execution] = []
    watched_db.report_to(heard.append)
    await TaskRepo(watched_db).count(user_id)
    async with watched_db.transaction() as session:
        await session.execute(text("select 'mine'"))
        await TaskRepo(session).count(user_id)
    await watched_db.execute(text("select 'alone'"))
    assert [execution.name for execution in heard] == ["tasks.count", "select", "tasks.count", "select"]
    first, *later = heard
    assert first.connecting_seconds > max(execution.connecting_seconds for execution in later)
    assert all(execution.server_seconds > 0 and execution.error is None for execution in heard)
    assert first.decoding_seconds > 0
