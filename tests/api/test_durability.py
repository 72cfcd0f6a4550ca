"""What is acknowledged is stored, and nothing else is acknowledged."""

import asyncio
import itertools
import random
import statistics
import time
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from app.db import Database, DatabaseSettings
from tests.api.support import bearer, in_process, served_app
from tests.support.databases import EmptyCopy
from tests.support.waiting import LIMIT_SECONDS


async def database_that_fails_at_commit(empty_copy: EmptyCopy, action: str) -> str:
    """Return a database in which a message is accepted, and then breaks its transaction's COMMIT."""
    url = await empty_copy()
    async with Database(DatabaseSettings(url=url)) as db:
        await db.execute(text(f"create function fail() returns trigger language plpgsql as $$ begin {action} end $$"))
        await db.execute(
            text(
                "create constraint trigger fail after insert on message deferrable initially deferred "
                "for each row execute function fail()"
            )
        )
    return url


@pytest.mark.parametrize(
    ("action", "status", "type_"),
    [
        ("raise exception 'a secret of the trigger';", 500, "not-done"),
        ("raise exception 'again' using errcode = '40001';", 503, "try-again"),
        ("raise exception 'check' using errcode = '23514';", 422, "invalid"),
        ("perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(1); return null;", 503, "outcome-unknown"),
    ],
)
async def test_a_commit_that_fails_is_never_answered_with_success(
    empty_copy: EmptyCopy, user_id: str, action: str, status: int, type_: str
) -> None:
    """The same holds in a transaction and in a single statement, and nothing of it is stored."""
    url = await database_that_fails_at_commit(empty_copy, action)
    async with in_process(url, database={"retry_seconds": 0.5}) as running, running.client(user_id) as client:
        body = {"role": "user", "content": "hello"}
        started = await client.post("/messages", json=body)
        assert (started.status_code, started.json()["type"]) == (status, f"urn:problem:{type_}")
        assert "secret" not in started.text
        assert (await client.get("/conversations")).json()["items"] == []
        path = f"/conversations/{(await client.post('/conversations')).json()['id']}"
        for route in ("messages", "reply"):
            answer = await client.post(f"{path}/{route}", json=body)
            assert (answer.status_code, answer.json()["type"]) == (status, f"urn:problem:{type_}")
        assert (await client.get(f"{path}/messages")).json()["items"] == []


async def test_what_was_created_is_read_at_once_under_load(migrated_url: str, user_id: str) -> None:
    """50 clients that read after each 201, over a real socket: every read sees the write."""

    async def write_and_read(address: httpx.URL, n: int) -> None:
        async with httpx.AsyncClient(
            base_url=address, headers=bearer(f"{user_id}-{n}"), timeout=LIMIT_SECONDS
        ) as client:
            for m in range(10):
                created = await client.post("/tasks", json={"title": f"task {m}"})
                assert created.status_code == 201
                task = created.json()
                assert (await client.get(f"/tasks/{task['id']}")).json() == task
                assert (await client.get("/tasks", params={"limit": 1})).json()["items"] == [task]

    async with served_app(migrated_url) as address:
        await asyncio.gather(*(write_and_read(address, n) for n in range(50)))


@pytest.mark.fault(
    row=19,
    name="client gone, and back with the same key",
    read="served",
    write="doubled: give it a key",
    keyed="served, one row",
    transaction="doubled: give it a key",
)
async def test_clients_that_give_up_and_repeat_with_the_same_key_leave_one_row_each(
    migrated_url: str, user_id: str
) -> None:
    """They disconnect at random moments, as on a train, and repeat until they have a response."""
    chance = random.Random(6)
    given_up = 0

    async def create(address: httpx.URL, n: int, key: str) -> httpx.Response:
        headers = bearer(user_id) | {"Idempotency-Key": key}
        async with httpx.AsyncClient(base_url=address, headers=headers) as client:
            return await client.post("/tasks", json={"title": f"task {n}"})

    async def insist(address: httpx.URL, n: int, usual_seconds: float) -> str:
        nonlocal given_up
        key = str(uuid4())
        for repeat in itertools.count():  # wait longer each time: in the end each gets its response
            patience = chance.uniform(0.05, 1.5) * usual_seconds * 1.3**repeat
            try:
                async with asyncio.timeout(patience):
                    answer = await create(address, n, key)
            except TimeoutError:
                given_up += 1
                continue
            assert answer.status_code == 201
            return str(answer.json()["id"])
        raise AssertionError("there is no end to counting")

    async with served_app(migrated_url) as address:
        key, took = str(uuid4()), []
        for _ in range(5):
            began = time.monotonic()
            first = (await create(address, 0, key)).json()["id"]
            took.append(time.monotonic() - began)
        ids = [str(first), *[await insist(address, n, statistics.median(took)) for n in range(1, 40)]]
        async with httpx.AsyncClient(base_url=address, headers=bearer(user_id)) as client:
            stored = (await client.get("/tasks", params={"limit": 1000})).json()["items"]
    assert given_up > 10
    assert sorted(ids) == sorted(str(task["id"]) for task in stored)
    assert len({task["title"] for task in stored}) == len(stored) == 40
