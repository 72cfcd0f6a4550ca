"""Liveness and readiness."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import httpx
import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.api.support import Running, in_process
from tests.support.waiting import LIMIT_SECONDS, until

NOWHERE = "postgresql://ada:secret@127.0.0.1:1/tasks?sslmode=disable"
UNREACHABLE = "unreachable: cannot connect to the database"


async def readiness(running: Running) -> tuple[int, str | None]:
    """Return the status of `/readyz`, and what it says is wrong."""
    async with running.client() as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json().get("detail")


async def until_ready(running: Running) -> None:
    """Return when the service is ready: an answer is kept for a second."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while await readiness(running) != (200, None):  # noqa: ASYNC110 - it can only be polled
            await asyncio.sleep(0.1)


async def test_a_migrated_database_is_ready(api: Running) -> None:
    """A probe needs no token."""
    assert await readiness(api) == (200, None)


async def test_healthz_asks_no_database() -> None:
    """It says that the process works, whatever fails elsewhere."""
    async with in_process(NOWHERE) as running, running.client() as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert running.services.database.pool_status().idle == 0


async def test_a_database_that_cannot_be_reached_is_named_as_the_reason_within_seconds(user_id: str) -> None:
    """The reply comes soon, though a call is retried for longer, and shows no host, user or password."""
    async with in_process(NOWHERE, database={"retry_seconds": 30}) as running, running.client(user_id) as client:
        call = asyncio.create_task(client.get("/tasks"))
        assert await readiness(running) == (503, UNREACHABLE)
        assert not call.done()
        call.cancel()
        await asyncio.wait([call])


async def test_an_outage_is_named_as_the_reason_where_it_fills_the_pool(user_id: str) -> None:
    """All connections are still being opened and callers queue: a larger pool would not help."""
    database = {"pool_size": 1, "pool_timeout_seconds": 0.1, "retry_seconds": 3}
    async with in_process(NOWHERE, database=database) as running, running.client(user_id) as client:
        waiting = [asyncio.create_task(client.get("/tasks")) for _ in range(2)]
        await until(lambda: running.services.database.pool_status().waiting == 1)
        assert await readiness(running) == (503, UNREACHABLE)
        answers = [answer.json()["type"] for answer in await asyncio.gather(*waiting)]
        assert answers == ["urn:problem:unavailable"] * 2


async def test_a_database_that_never_answers_is_named_before_a_connect_gives_up() -> None:
    """The network drops everything, and who asks gives up after seconds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://ada:secret@127.0.0.1:{silent.getsockname()[1]}/tasks?sslmode=disable"
        async with in_process(url) as running:
            connecting = asyncio.create_task(running.services.database.execute(text("select 1")))
            await until(lambda: running.services.database.pool_status().connecting == 1)
            assert await readiness(running) == (503, "unreachable: the database does not answer")
            assert not connecting.done()
            connecting.cancel()
            await asyncio.wait([connecting])


async def test_a_database_that_accepts_connections_and_does_not_answer_is_named_as_slow(
    empty_copy: Callable[[], Awaitable[str]],
) -> None:
    """The version table is locked."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db, in_process(url) as running:
        async with db.transaction() as session:
            await session.execute(text("lock table alembic_version in access exclusive mode"))
            assert await readiness(running) == (503, "slow: the database accepts connections, but does not answer")
        await until_ready(running)


async def test_migrations_that_are_behind_are_named_as_the_reason(
    empty_copy: Callable[[], Awaitable[str]], make_database: Callable[..., Awaitable[str]]
) -> None:
    """An empty or half-migrated database is not ready; a newer one is, because it works with older code."""
    async with in_process(await make_database()) as running:
        assert await readiness(running) == (
            503,
            "migrations are behind: the database has no tables of this application",
        )
    url = await empty_copy()
    for change, expected in (
        ("update alembic_version set version_num = 'from the future'", 200),
        ("delete from alembic_version", 503),
    ):
        async with Database(DatabaseSettings(url=url)) as db:
            await db.execute(text(change))
        async with in_process(url) as running:
            status, reason = await readiness(running)
            assert status == expected
            assert reason is None or reason.startswith("migrations are behind: the database is at nothing")


async def test_an_exhausted_pool_is_named_as_the_reason(migrated_url: str) -> None:
    """All connections are in use."""
    async with in_process(migrated_url, database={"pool_size": 1, "pool_timeout_seconds": 60}) as running:
        async with running.services.database.transaction() as session:
            await session.execute(text("select 1"))
            assert await readiness(running) == (
                503,
                "pool exhausted: all 1 connections are in use, 1 callers are queued",
            )
        await until_ready(running)


async def test_an_exhausted_pool_is_a_503_for_requests_and_heals(migrated_url: str, user_id: str) -> None:
    """A caller that queues too long is told when to repeat the request."""
    async with (
        in_process(migrated_url, database={"pool_size": 1, "pool_timeout_seconds": 0.1}) as running,
        running.client(user_id) as client,
    ):
        async with running.services.database.transaction() as session:
            await session.execute(text("select 1"))
            answer = await client.get("/tasks")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        problem = answer.json()
        assert (problem["type"], problem["detail"]) == (
            "urn:problem:overloaded",
            "Too many requests at once. Nothing was done.",
        )
        assert (await client.get("/tasks")).status_code == 200


async def test_a_statement_that_takes_too_long_is_a_504(empty_copy: Callable[[], Awaitable[str]], user_id: str) -> None:
    """The server cancelled it, and a retry would take as long again."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db:
        slow = "create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(5); end $$"
        await db.execute(text(slow))
        await db.execute(text("create trigger slow before insert on conversation for each row execute function slow()"))
    async with (
        in_process(url, database={"statement_timeout_seconds": 0.1}) as running,
        running.client(user_id) as client,
    ):
        answer = await client.post("/messages", json={"role": "user", "content": "hello"})
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:problem:too-slow")


async def test_many_probes_at_once_ask_the_database_once(migrated_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """The result holds for any number of probes at any rate."""
    with caplog.at_level("INFO", logger="sqlalchemy.engine"):
        async with in_process(migrated_url, database={"echo": True}) as running:
            assert set(await asyncio.gather(*(readiness(running) for _ in range(50)))) == {(200, None)}
    assert len([record for record in caplog.records if record.getMessage().startswith("SELECT version_num")]) == 1


async def test_a_database_that_refuses_us_is_named_as_the_reason(make_database: Callable[..., Awaitable[str]]) -> None:
    """A role without the right to read is a mistake that a person must fix."""
    url = await make_database()
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("create table alembic_version (version_num text)"))
        await db.execute(text("create role powerless login"))
    stranger = str(httpx.URL(url)).replace("postgres@", "powerless@", 1)
    async with in_process(stranger) as running:
        status, reason = await readiness(running)
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text("drop role powerless"))
    said = "refused: The role powerless may not read the table alembic_version. As the owner or a superuser: "
    assert (status, reason) == (503, f"{said}grant select on alembic_version to powerless;")


async def test_a_queue_that_is_full_is_a_503_at_once(migrated_url: str, user_id: str) -> None:
    """When the queue has `pool_max_waiting` callers, the next is refused without waiting."""
    database = {"pool_size": 1, "pool_max_waiting": 1}
    async with in_process(migrated_url, database=database) as running, running.client(user_id) as client:
        async with running.services.database.transaction() as session:
            await session.execute(text("select 1"))
            asked = [asyncio.create_task(client.get("/tasks")) for _ in range(5)]
            finished = asyncio.as_completed(asked)
            for _ in range(4):
                await next(finished)
        answers = [await one for one in asked]
    assert sorted(answer.status_code for answer in answers) == [200, 503, 503, 503, 503]
    assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 503} == {"1"}
