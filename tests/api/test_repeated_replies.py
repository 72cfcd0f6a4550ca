"""One key gives one question and one reply."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import httpx

from app.db.models import MessageRead
from tests.api.speaking import WHOLE, Held, Slow, events, new_conversation, until_asked
from tests.api.support import in_process


class Parrot:
    """Echoes each question, and the quick ones before the slow ones."""

    async def answer(self, history: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield the question."""
        await asyncio.sleep(0.3 if history[-1].content == "slow" else 0.1)
        yield history[-1].content


class Dice:
    """Never sends the same text twice."""

    asked: ClassVar[int] = 0

    async def answer(self, _: Sequence[MessageRead]) -> AsyncIterator[str]:
        """Yield something new."""
        Dice.asked += 1
        await asyncio.sleep(0.1)
        yield str(uuid4())


async def ask(client: httpx.AsyncClient, path: str, key: str, content: str = "count") -> list[tuple[str, Any]]:
    """Return the events of the response to a request with this key."""
    headers = {"Idempotency-Key": key}
    return events(await client.post(f"{path}/reply", json={"content": content}, headers=headers))


async def test_a_repeated_request_gets_the_same_answer_while_it_runs_and_afterwards(
    migrated_url: str, user_id: str
) -> None:
    """One question and one reply are stored, however often the client repeats the request with its key."""
    async with in_process(migrated_url, assistant=Slow) as running, running.client(user_id) as client:
        path, key = await new_conversation(client), str(uuid4())
        first, second = await asyncio.gather(ask(client, path, key), ask(client, path, key))
        third = await ask(client, path, key)
        stored = (await client.get(f"{path}/messages")).json()["items"]
    assert first == second
    assert "".join(text for kind, text in first if kind == "piece") == WHOLE
    assert third == [("piece", WHOLE), first[-1]]
    assert [message["content"] for message in stored] == ["count", WHOLE]


async def test_each_of_two_requests_at_once_keeps_its_own_answer(migrated_url: str, user_id: str) -> None:
    """The second reply may be stored first: the order of messages does not say which question a reply belongs to."""
    async with in_process(migrated_url, assistant=Parrot) as running, running.client(user_id) as client:
        path, slow, quick = await new_conversation(client), str(uuid4()), str(uuid4())
        await asyncio.gather(ask(client, path, slow, "slow"), ask(client, path, quick, "quick"))
        for key, content in ((slow, "slow"), (quick, "quick")):
            assert (await ask(client, path, key, content))[0] == ("piece", content)


async def test_clients_that_repeat_at_any_moment_get_one_answer(migrated_url: str, user_id: str) -> None:
    """A repeat comes before, during, while storing or after the reply; the assistant runs once."""
    chance, Dice.asked = random.Random(6), 0
    async with in_process(migrated_url, assistant=Dice) as running, running.client(user_id) as client:
        path, key = await new_conversation(client), str(uuid4())

        async def ask_some_time() -> Any:
            await asyncio.sleep(chance.uniform(0, 0.3))
            return (await ask(client, path, key))[-1]

        answers = await asyncio.gather(*(ask_some_time() for _ in range(60)))
    assert {kind for kind, _ in answers} == {"message"}
    assert len({message["content"] for _, message in answers}) == 1
    assert Dice.asked == 1


async def test_two_processes_that_answer_one_request_agree(migrated_url: str, user_id: str) -> None:
    """A repeat may reach another process: both return the reply that was stored first."""
    async with (
        in_process(migrated_url, assistant=Dice) as one,
        in_process(migrated_url, assistant=Dice) as other,
        one.client(user_id) as client,
        other.client(user_id) as again,
    ):
        path, key = await new_conversation(client), str(uuid4())
        first, second = await asyncio.gather(ask(client, path, key), ask(again, path, key))
        stored = (await client.get(f"{path}/messages")).json()["items"]
    assert first[-1] == second[-1] == ("message", stored[-1])
    assert [message["role"] for message in stored] == ["user", "assistant"]


async def test_a_question_whose_answer_was_lost_is_answered_when_it_is_repeated(
    migrated_url: str, user_id: str
) -> None:
    """The service exited during the reply: the key finds the question and no reply."""
    async with (
        in_process(migrated_url, assistant=Held, shutdown_seconds=0.01) as running,
        running.client(user_id) as client,
    ):
        path, key = await new_conversation(client), str(uuid4())
        asking = asyncio.create_task(ask(client, path, key))
        await until_asked(client, path)
        asking.cancel()
        await asyncio.wait([asking])
    async with in_process(migrated_url, assistant=Slow) as running, running.client(user_id) as client:
        assert (await client.get(f"{path}/messages")).json()["items"][-1]["role"] == "user"
        await ask(client, path, key)
        stored = (await client.get(f"{path}/messages")).json()["items"]
    assert [message["content"] for message in stored] == ["count", WHOLE]
