"""Many clients, few connections."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence

import httpx

from app.db.models import MessageRead
from tests.api.speaking import ALL_OF_IT, SPEAKING_SECONDS, Talker
from tests.api.support import bearer, served_app
from tests.support.waiting import LIMIT_SECONDS, until

CLIENTS = 200
CONNECTIONS = 5
ONE_USER = {"max_requests_per_user": CLIENTS + 10, "max_replies_per_user": CLIENTS}
POOL = {"pool_size": CONNECTIONS, "pool_timeout_seconds": 5}


def limits() -> httpx.Limits:
    """Let all clients send at once."""
    return httpx.Limits(max_connections=CLIENTS + 10, max_keepalive_connections=CLIENTS + 10)


async def paths_of_conversations(client: httpx.AsyncClient, count: int) -> list[str]:
    """Create conversations and return their paths."""
    return [f"/conversations/{(await client.post('/conversations')).json()['id']}" for _ in range(count)]


class Counted(Talker):
    """Counts how many replies run at once."""

    speaking = 0

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield what a Talker yields."""
        Counted.speaking += 1
        async for word in super().answer(history):
            yield word
        Counted.speaking -= 1


async def test_two_hundred_clients_stream_at_once_on_five_connections(migrated_url: str, user_id: str) -> None:
    """A stream holds no connection: others are served meanwhile, and all replies are stored."""
    async with (
        served_app(migrated_url, database=POOL, assistant=Counted, **ONE_USER) as address,
        httpx.AsyncClient(base_url=address, headers=bearer(user_id), timeout=LIMIT_SECONDS, limits=limits()) as client,
    ):
        paths = await paths_of_conversations(client, CLIENTS)

        async def stream(path: str) -> httpx.Response:
            return await client.post(f"{path}/reply", json={"content": "talk"})

        streams = [asyncio.create_task(stream(path)) for path in paths]
        await until(lambda: Counted.speaking > 2 * CONNECTIONS)  # if each held a connection, at most five could run
        assert (await client.get("/tasks")).status_code == 200
        answers = await asyncio.gather(*streams)
        last = [json.loads(answer.text.strip().split("data: ")[-1])["content"] for answer in answers]
    assert last == [ALL_OF_IT] * CLIENTS


async def until_whole(client: httpx.AsyncClient, paths: Sequence[str]) -> list[list[dict[str, str]]]:
    """Return the messages of each conversation once none is a question without its reply."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            stored = [(await client.get(f"{path}/messages/latest")).json() for path in paths]
            if all(len(messages) in (0, 2) for messages in stored):
                return stored
            await asyncio.sleep(0.2)


async def test_clients_that_hang_up_at_random_leak_nothing_and_lose_no_answer(migrated_url: str, user_id: str) -> None:
    """Every started reply is stored whole, and the pool is as before."""
    chance = random.Random(6)
    async with (
        served_app(migrated_url, database=POOL, assistant=Talker, **ONE_USER) as address,
        httpx.AsyncClient(base_url=address, headers=bearer(user_id), timeout=LIMIT_SECONDS, limits=limits()) as client,
    ):
        paths = await paths_of_conversations(client, 60)

        async def hang_up(path: str) -> None:
            try:
                async with asyncio.timeout(chance.uniform(0.01, SPEAKING_SECONDS)):
                    await client.post(f"{path}/reply", json={"content": "talk"})
            except TimeoutError:
                pass

        await asyncio.gather(*(hang_up(path) for path in paths))
        stored = await until_whole(client, paths)
        started = [[message["content"] for message in messages] for messages in stored if messages]
        assert started == [["talk", ALL_OF_IT]] * len(started)
        assert len(started) > 10  # else nothing was tested
        # All five connections are free: five transactions at once need all of them.
        both = [client.post("/messages", json={"role": "user", "content": "x"}) for _ in range(CONNECTIONS * 4)]
        assert {answer.status_code for answer in await asyncio.gather(*both)} == {201}
