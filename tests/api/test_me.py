"""Everything that a user has, over HTTP."""

import asyncio
import json
from contextlib import AsyncExitStack

import httpx
import pytest

from app.db import Database
from app.repositories import TaskRepo
from app.userdata import import_user
from tests.api.support import Running, bearer, in_process, served_app
from tests.support.exported import exported, fill_messages, furnish, stored
from tests.support.proxy import FaultProxy
from tests.support.waiting import LIMIT_SECONDS


async def test_an_export_is_the_file_that_an_import_takes(
    db: Database, client: httpx.AsyncClient, user_id: str
) -> None:
    """It is streamed as lines of JSON."""
    await furnish(db, user_id)
    answer = await client.get("/me/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.content == await exported(db, user_id)
    await import_user(db, f"{user_id}-2", answer.content.splitlines(keepends=True))
    assert await exported(db, f"{user_id}-2") == answer.content


async def test_an_export_that_broke_off_goes_on(db: Database, client: httpx.AsyncClient, user_id: str) -> None:
    """With its token and the number of whole lines; 412 where rows have been deleted since."""
    await fill_messages(db, user_id, messages=1500)
    await furnish(db, user_id)
    whole = await client.get("/me/export")
    lines = whole.content.splitlines(keepends=True)
    for after in (0, 1, 3, 1200, len(lines) - 1, len(lines)):
        rest: dict[str, str | int] = {"token": whole.headers["export-token"], "after": after}
        assert (await client.get("/me/export", params=rest)).content == b"".join(lines[after:])
    (task, *_) = (await TaskRepo(db).list_page(user_id)).items
    await client.delete(f"/tasks/{task.id}")
    refused = await client.get("/me/export", params=rest)
    assert (refused.status_code, refused.json()["type"]) == (412, "urn:problem:stale")


@pytest.mark.parametrize("query", ["after=1", "token=nonsense&after=1", "after=-1"])
async def test_what_cannot_go_on_is_refused(client: httpx.AsyncClient, query: str) -> None:
    """Before the stream begins, with a status of its own."""
    assert (await client.get(f"/me/export?{query}")).status_code == 422


async def test_another_users_token_is_refused(client: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
    """It holds numbers of that user's rows."""
    token = (await other.get("/me/export")).headers["export-token"]
    assert (await client.get("/me/export", params={"token": token, "after": 1})).status_code == 422


async def test_a_user_is_erased(db: Database, client: httpx.AsyncClient, user_id: str) -> None:
    """Again it is the same answer, and nobody else's rows are touched."""
    others = f"other-{user_id}"
    for user in (user_id, others):
        await furnish(db, user)
    kept = await stored(db, others)
    for _ in range(2):
        assert (await client.delete("/me")).status_code == 204
        assert not any((await stored(db, user_id)).values())
    assert len((await client.get("/me/export")).content.splitlines()) == 2
    assert await stored(db, others) == kept


async def test_a_large_erasure_is_several_requests(db: Database, migrated_url: str, user_id: str) -> None:
    """A request that has used up its time says what it has done, and when to ask again; the last is a 204."""
    await fill_messages(db, user_id, messages=3000)
    erased = 0
    async with in_process(migrated_url, erase_seconds=0.000001) as running, running.client(user_id) as client:
        while (answer := await client.delete("/me")).status_code == 202:
            assert answer.headers["retry-after"] == "1"
            erased += answer.json()["erased"].get("message", 0)
        assert answer.status_code == 204
    assert erased == 3000
    assert not any((await stored(db, user_id)).values())


async def test_one_user_has_two_exports_in_flight_at_most(db: Database, migrated_url: str, user_id: str) -> None:
    """The third is a 429 and others are served; a client that hangs up gives its place and every connection back."""
    await fill_messages(db, user_id, messages=20_000, content="x" * 2000)
    async with served_app(migrated_url) as address, httpx.AsyncClient(base_url=address, timeout=60) as client:
        mine, theirs = bearer(user_id), bearer(f"other-{user_id}")
        async with AsyncExitStack() as unread:
            for _ in range(2):
                stream = await unread.enter_async_context(client.stream("GET", "/me/export", headers=mine))
                assert stream.status_code == 200
            refused = await client.get("/me/export", headers=mine)
            assert (refused.status_code, refused.json()["type"]) == (429, "urn:problem:too-many-requests")
            assert (await client.delete("/me", headers=mine)).status_code == 429
            assert (await client.get("/me/export", headers=theirs)).status_code == 200
            assert (await client.get("/tasks", headers=mine)).status_code == 200
        async with asyncio.timeout(60):
            while (await client.get("/me/export", headers=mine, params={"after": 1})).status_code == 429:
                continue  # the service has not noticed yet
        whole = await client.get("/me/export", headers=mine)
        assert json.loads(whole.content.splitlines()[-1])["end"]["message"] == 20_000


async def test_when_the_database_goes_away_the_stream_breaks_off_and_goes_on(
    db: Database, migrated_url: str, user_id: str
) -> None:
    """A client cannot take a part for the whole; the lines that it has and those that follow are the whole."""
    await fill_messages(db, user_id, messages=10_000, content="x" * 2000)
    got = b""
    async with FaultProxy(migrated_url).running() as proxy:
        database = {"retry_seconds": 0.5, "connect_timeout_seconds": 0.5}
        async with served_app(proxy.url(), database=database) as address, httpx.AsyncClient(base_url=address) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                async with client.stream("GET", "/me/export", headers=bearer(user_id), timeout=60) as stream:
                    async for piece in stream.aiter_bytes():
                        got += piece
                        if len(got) > 1_000_000:
                            proxy.refusing = True
                            proxy.reset()
            proxy.refusing = False
            async with asyncio.timeout(LIMIT_SECONDS):
                while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - until it connects again
                    await asyncio.sleep(0.05)
            lines = got.splitlines(keepends=True)[: got.count(b"\n")]
            assert 1 < len(lines) < 10_000
            rest: dict[str, str | int] = {"token": stream.headers["export-token"], "after": len(lines)}
            answer = await client.get("/me/export", params=rest, headers=bearer(user_id), timeout=60)
    assert b"".join(lines) + answer.content == await exported(db, user_id)


async def test_no_connection_is_held_while_a_client_reads(db: Database, api: Running, user_id: str) -> None:
    """The pool is idle when the answer begins."""
    await furnish(db, user_id)
    async with api.client(user_id) as client, client.stream("GET", "/me/export") as stream:
        assert api.services.database.pool_status().in_use == 0
        await stream.aread()
