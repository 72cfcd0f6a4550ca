"""More replies at once than may be in flight."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pytest

from app.db.models import MessageRead
from app.db.models.base import MAX_BIGINT
from tests.api.speaking import WHOLE, Slow, events, new_conversation
from tests.api.support import in_process
from tests.support.waiting import until


async def test_one_answer_too_many_is_a_503_that_does_nothing(migrated_url: str, user_id: str) -> None:
    """The limit holds also when all start at once; in-flight replies are finished, and then there is room again."""
    async with (
        in_process(migrated_url, assistant=Slow, max_replies=2) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        answers = await asyncio.gather(*(client.post(f"{path}/reply", json={"content": "x"}) for _ in range(5)))
        refused = [answer for answer in answers if answer.status_code != 200]
        assert [events(answer)[-1][1]["content"] for answer in answers if answer not in refused] == [WHOLE] * 2
        for answer in refused:
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["type"] == "urn:problem:too-many-replies"
        assert len((await client.get(f"{path}/messages")).json()["items"]) == 4
        assert (await client.post(f"{path}/reply", json={"content": "x"})).status_code == 200


async def test_a_question_that_is_refused_takes_no_place(migrated_url: str, user_id: str) -> None:
    """Otherwise a client with a wrong path would use up all the room after a while."""
    async with in_process(migrated_url, max_replies=1) as running, running.client(user_id) as client:
        for _ in range(3):
            assert (await client.post("/conversations/1/reply", json={"content": "x"})).status_code == 404
        path = await new_conversation(client)
        assert (await client.post(f"{path}/reply", json={"content": "x"})).status_code == 200


class Counted:
    """Speaks until it is told to stop; `most` is how many spoke at once."""

    speaking: ClassVar[int] = 0
    most: ClassVar[int] = 0
    end: ClassVar[asyncio.Event]

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield a word."""
        Counted.speaking += 1
        Counted.most = max(Counted.most, Counted.speaking)
        yield "well"
        await Counted.end.wait()
        Counted.speaking -= 1


Asked = asyncio.Task[httpx.Response]


def _ask(client: httpx.AsyncClient, path: str, key: str, content: str = "x") -> Asked:
    asked = client.post(f"{path}/reply", json={"content": content}, headers={"Idempotency-Key": key})
    return asyncio.create_task(asked)


async def _elsewhere_first(client: httpx.AsyncClient, path: str, key: str) -> list[Asked]:
    """Ask in a conversation that is not there, and with the same key in one that is."""
    return [_ask(client, f"/conversations/{MAX_BIGINT}", key), _ask(client, path, key)]


async def _another_question_first(client: httpx.AsyncClient, path: str, key: str) -> list[Asked]:
    """Take the key for a message, ask something else with it, and meanwhile ask what the key says."""
    message = {"role": "user", "content": "x"}
    await client.post(f"{path}/messages", json=message, headers={"Idempotency-Key": key})
    return [_ask(client, path, key, "y"), _ask(client, path, key)]


async def _deleted_meanwhile(client: httpx.AsyncClient, _: str, key: str) -> list[Asked]:
    """Ask in a conversation of its own, delete it while the reply is in flight, and use the key again."""
    path, speaking = await new_conversation(client), Counted.speaking
    lost = _ask(client, path, key)
    await until(lambda: Counted.speaking > speaking or lost.done())
    await client.delete(path)
    return [lost, _ask(client, await new_conversation(client), key)]


async def _until_decided(asked: list[Asked]) -> None:
    """Wait until each is refused, or the assistant speaks."""
    await until(lambda: Counted.speaking + sum(each.done() for each in asked) == len(asked))


@pytest.mark.parametrize("way", [_elsewhere_first, _another_question_first, _deleted_meanwhile])
@pytest.mark.parametrize("limit", ["max_replies", "max_replies_per_user"])
async def test_no_use_of_keys_takes_more_places_than_there_are(
    migrated_url: str, user_id: str, way: Callable[[httpx.AsyncClient, str, str], Awaitable[list[Asked]]], limit: str
) -> None:
    """Requests with one key share a place, which the reply keeps when one of them is refused."""
    Counted.speaking, Counted.most, Counted.end = 0, 0, asyncio.Event()
    asked: list[Asked] = []
    settings: dict[str, Any] = {limit: 2}
    async with (
        in_process(migrated_url, assistant=Counted, **settings) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        for _ in range(4):
            asked += await way(client, path, str(uuid4()))
            await _until_decided(asked)
        Counted.end.set()
        await asyncio.gather(*asked)
        assert 0 < Counted.most <= 2
        assert (await client.post(f"{path}/reply", json={"content": "x"})).status_code == 200
