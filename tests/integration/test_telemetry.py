"""What operators see of statements, and what they do not."""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from app.db.errors import ConfigurationError
from app.db.models import MessageCreate, Role, TaskCreate
from app.db.query import Query, WhenLost
from app.db.telemetry.spans import POOL_NAME
from app.repositories import ConversationRepo, MessageRepo, TaskRepo
from tests.support.telemetry import Telemetry, observed
from tests.support.waiting import until_active


@pytest.fixture
async def telemetry(migrated_url: str) -> AsyncIterator[Telemetry]:
    """Give a database of two connections that reports to OpenTelemetry."""
    async with observed(migrated_url) as telemetry:
        yield telemetry


def test_a_name_belongs_to_one_query() -> None:
    """Two queries of one name could not be told apart in a trace."""
    with pytest.raises(ValueError, match=r"tasks\.get"):
        Query("tasks.get", text("select 1"), int)


async def test_each_call_is_a_span_with_its_name_and_rows(telemetry: Telemetry, user_id: str) -> None:
    """One call makes one span."""
    tasks = TaskRepo(telemetry.db)
    await tasks.create(user_id, TaskCreate(title="one"))
    await tasks.create(user_id, TaskCreate(title="two"))
    await tasks.list_page(user_id)
    spans = [(span.name, span.attributes["db.response.returned_rows"]) for span in telemetry.spans()]
    assert spans == [("tasks.create", 1), ("tasks.create", 1), ("tasks.page", 2)]
    assert telemetry.spans()[0].attributes["db.system.name"] == "postgresql"
    assert all(0 < span.end_time - span.start_time < 1_000_000_000 for span in telemetry.spans())


async def test_statements_of_transactions_and_of_the_caller_are_spans_too(telemetry: Telemetry, user_id: str) -> None:
    """A statement without a name is named by its first word."""
    async with telemetry.db.transaction() as session:
        await ConversationRepo(session).create(user_id)
        await session.execute(text("select 'private' as word"))
        many = text("insert into task (user_id, title) values (:user_id, :title)")
        await session.execute(many, [{"user_id": user_id, "title": title} for title in ("one", "two")])
    assert [span.name for span in telemetry.spans()] == ["conversations.create", "select", "insert"]


async def test_a_span_is_below_the_span_of_the_caller(telemetry: Telemetry, user_id: str) -> None:
    """The trace shows whose request it was."""
    with telemetry.tracer.start_as_current_span("request") as request:
        await TaskRepo(telemetry.db).count(user_id)
    assert telemetry.spans()[0].parent.span_id == request.get_span_context().span_id


async def test_nothing_private_is_reported(
    telemetry: Telemetry, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Content and parameters are never reported, on success or on failure."""
    secret = "a private matter"
    conversation = await ConversationRepo(telemetry.db).create(user_id)
    await MessageRepo(telemetry.db).append(user_id, conversation.id, MessageCreate(role=Role.USER, content=secret))
    await MessageRepo(telemetry.db).latest(user_id, conversation.id)
    with pytest.raises(ConfigurationError):
        await telemetry.db.execute(text(f"select nothing from nowhere where x = '{secret}'"))
    reported = [span.to_json() for span in telemetry.spans()]
    reported += [str(vars(record)) for record in caplog.records if record.name == "app.db.slow"]
    reported.append(str(telemetry.metrics()))
    assert len(reported) == 9
    assert not any(secret in one or user_id in one for one in reported)


async def test_an_error_is_told_by_its_code(telemetry: Telemetry, db: Database) -> None:
    """The code is the server's, or the class of the exception that interrupted the statement."""
    with pytest.raises(ConfigurationError):
        await telemetry.db.execute(text("select * from nowhere"))
    sleeping = asyncio.create_task(telemetry.db.execute(text("select pg_sleep(600)")))
    await until_active(db, "select pg_sleep(600)")
    sleeping.cancel()
    await asyncio.wait([sleeping])
    spans = telemetry.spans()
    assert [span.attributes["error.type"] for span in spans] == ["42P01", "CancelledError"]
    assert [span.status.is_ok for span in spans] == [False, False]
    assert [span.status.description for span in spans] == [None, None]


async def test_the_wait_for_a_connection_is_told_apart_from_the_statement(telemetry: Telemetry) -> None:
    """With two warm connections and three statements of 0.3 s, one waits as long as another takes."""
    for seconds in (0.1, 0.3):
        sleep = text(f"select pg_sleep({seconds})")
        await asyncio.gather(*(telemetry.db.execute(sleep) for _ in range(3)))
    spans = telemetry.spans()[3:]
    *others, last = sorted(spans, key=lambda span: span.attributes.get("db.client.connection.wait_time", 0))
    waits = [span.attributes.get("db.client.connection.wait_time", 0) for span in (*others, last)]
    taken = [(span.end_time - span.start_time) / 1e9 for span in (*others, last)]
    assert max(waits[:2]) < waits[2] / 2
    assert min(waits[2], *taken) >= 0.3
    assert taken[2] < waits[2] + taken[0]  # a span does not contain the wait


async def test_a_repetition_is_told(telemetry: Telemetry, user_id: str) -> None:
    """A read whose connection was closed makes two spans and counts as one retry."""
    slow = Query("test.slow", text("select 42 as answer from pg_sleep(0.5)"), int, WhenLost.NOT_DONE)
    reading = asyncio.create_task(telemetry.db.fetch(slow, {}))
    await until_active(telemetry.db, "select 42 as answer from pg_sleep%")
    end = "select pg_terminate_backend(pid) from pg_stat_activity where query like :query and pid <> pg_backend_pid()"
    await telemetry.db.execute(text(end), {"query": "select 42 as answer from pg_sleep%"})
    assert await reading == [42]
    tries = [span.attributes.get("db.client.retry", 0) for span in telemetry.spans() if span.name == "test.slow"]
    assert tries == [0, 1]
    assert sum(point.value for point in telemetry.metrics()["db.client.retries"]) == 1


async def test_metrics_measure_each_statement_by_name(telemetry: Telemetry, user_id: str) -> None:
    """They measure time and rows, and for each pool the wait for a connection."""
    for _ in range(3):
        await TaskRepo(telemetry.db).count(user_id)
    metrics = telemetry.metrics()
    for name in ("db.client.operation.duration", "db.client.response.returned_rows"):
        (point,) = metrics[name]
        assert (point.attributes["db.query.summary"], point.count) == ("tasks.count", 3)
    (point,) = metrics["db.client.connection.wait_time"]
    assert point.attributes == {POOL_NAME: telemetry.db.settings.application_name}
    assert point.count == 3


async def test_a_slow_statement_is_logged_with_its_figures(
    migrated_url: str, caplog: pytest.LogCaptureFixture, user_id: str
) -> None:
    """`DATABASE_SLOW_STATEMENT_SECONDS` is the threshold; faster ones are not logged."""
    async with Database(DatabaseSettings(url=migrated_url, slow_statement_seconds=0.1)) as db:
        await TaskRepo(db).count(user_id)
        await db.fetch(Query("naps.take", text("select 1 from pg_sleep(0.2)"), int), {})
    record: Any
    (record,) = [record for record in caplog.records if record.name == "app.db.slow"]
    assert (record.levelno, record.statement, record.rows, record.retry) == (logging.WARNING, "naps.take", 1, 0)
    assert record.seconds >= 0.2
    assert record.getMessage() == f"naps.take took {record.seconds:.3f} s"


CONFIGURED = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
"""
MEASURED = """
import asyncio, sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
"""
NAMES = """
async def names():
    async with Database(DatabaseSettings()) as db:
        await TaskRepo(db).count("ada")
        (resource,) = reader.get_metrics_data().resource_metrics
        return sorted(metric.name for scope in resource.scope_metrics for metric in scope.metrics)
"""
CALLED = """
import asyncio, sys
from app.db import Database, DatabaseSettings
from app.repositories import TaskRepo
async def call():
    async with Database(DatabaseSettings()) as db:
        await TaskRepo(db).count("ada")
        return db.pool_status().idle
"""


def run(script: str, url: str) -> str:
    """Run a script in its own process, where nothing is configured yet."""
    environment = {**os.environ, "DATABASE_URL": url}
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_a_configured_opentelemetry_is_found_without_being_told(migrated_url: str) -> None:
    """The application configures it freely and then makes its Database."""
    script = f"{CONFIGURED}{CALLED}asyncio.run(call())\nprint([span.name for span in exporter.get_finished_spans()])"
    assert run(script, migrated_url) == "['tasks.count']"


def test_configured_metrics_measure_statements_and_the_pool(migrated_url: str) -> None:
    """The same works without traces."""
    script = f"{MEASURED}{CALLED}{NAMES}print(*asyncio.run(names()))"
    assert run(script, migrated_url).split() == [
        "db.client.connection.count",
        "db.client.connection.max",
        "db.client.connection.pending_requests",
        "db.client.connection.timeouts",
        "db.client.connection.wait_time",
        "db.client.operation.duration",
        "db.client.response.returned_rows",
        "db.client.retries",
    ]


def test_without_configuration_nothing_is_imported_and_nothing_listens(migrated_url: str) -> None:
    """Telemetry costs nothing for applications that do not use it."""
    script = f"{CALLED}print(asyncio.run(call()), [name for name in sys.modules if name.startswith('opentelemetry')])"
    assert run(script, migrated_url) == "1 []"
    assert run(f"import opentelemetry.trace{CALLED}print(asyncio.run(call()))", migrated_url) == "1"
