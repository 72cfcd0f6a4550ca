"""Users who start replies and disconnect, and assistants that send too much."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.api.attacks.victim import Victim
from tests.api.speaking import WHOLE, Chatty, Endless, HeldByFile, Slow, new_conversation, until_asked
from tests.api.support import bearer
from tests.support.waiting import LIMIT_SECONDS

USERS_SHARE = 20


def named(assistant: type) -> str:
    """Return the name that a setting uses for the assistant."""
    return f"{assistant.__module__}:{assistant.__name__}"


def request(path: str, user_id: str, content: str = "talk", **headers: str) -> bytes:
    """Return the bytes of a request for a reply."""
    body = json.dumps({"content": content}).encode()
    lines = {**bearer(user_id), "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path}/reply HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body


async def ask_and_leave(victim: Victim, path: str, user_id: str) -> None:
    """Start a reply and disconnect at its first piece."""
    reader, writer = await victim.connect()
    writer.write(request(path, user_id))
    await asyncio.wait_for(reader.readuntil(b"event: piece"), LIMIT_SECONDS)
    writer.transport.abort()


@pytest.fixture
def go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give the function that lets the replies of `HeldByFile` end."""
    monkeypatch.setenv(HeldByFile.VARIABLE, str(tmp_path / "told"))
    return (tmp_path / "told").touch


async def test_a_user_who_hangs_up_takes_only_a_share_of_the_replies(
    migrated_url: str, go_on: Callable[[], None]
) -> None:
    """Before the limit, all 100 of one user's replies ran; none of these disconnects may leave an error in the log."""
    async with Victim.running(migrated_url, assistant=named(HeldByFile), max_replies="30") as victim:
        async with victim.client("eve") as eve, victim.client("ada") as ada, victim.measured() as cost:
            path = await new_conversation(eve)
            await asyncio.gather(*(ask_and_leave(victim, path, "eve") for _ in range(USERS_SHARE)))
            refused = await eve.post(f"{path}/reply", json={"content": "talk"})
            assert (refused.status_code, refused.json()["type"]) == (429, "urn:problem:too-many-own-replies")
            assert refused.headers["Retry-After"] == "1"
            path = await new_conversation(ada)
            asking = asyncio.create_task(ada.post(f"{path}/reply", json={"content": "talk"}))
            await until_asked(ada, path)
            go_on()
            assert (await asking).status_code == 200
        said = await victim.said()
    assert set(cost.statuses) == {200}
    assert "ERROR" not in said
    assert "Traceback" not in said


async def test_a_user_has_a_hundred_requests_in_flight(migrated_url: str, go_on: Callable[[], None]) -> None:
    """The limit includes streams of one reply, of which any number can be open."""
    settings: dict[str, Any] = {"assistant": named(HeldByFile), "max_requests_per_user": "5"}
    async with (
        Victim.running(migrated_url, **settings) as victim,
        victim.client("ada") as ada,
        victim.client("eve") as eve,
    ):
        path = await new_conversation(eve)
        key = {"Idempotency-Key": "6f2c1a52-6a0e-4a7e-9b52-0d3f3c0f5b11"}
        asking = eve.build_request("POST", f"{path}/reply", json={"content": "talk"}, headers=key)
        streams = [await eve.send(asking, stream=True) for _ in range(5)]
        refused = await eve.get("/tasks")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:problem:too-many-requests")
        assert (await ada.get("/tasks")).status_code == 200
        go_on()
        assert {stream.status_code for stream in streams} == {200}
        await asyncio.gather(*(stream.aread() for stream in streams))
        assert (await eve.get("/tasks")).status_code == 200


async def test_clients_that_hang_up_at_any_moment_leave_one_question_and_one_reply_each(migrated_url: str) -> None:
    """In mid-request, before the first byte or in mid-stream: each repeats with its key until it has its reply."""
    chance, keys = random.Random(14), {f"question {number}": str(uuid4()) for number in range(40)}
    settings: dict[str, Any] = {"assistant": named(Slow), "max_replies_per_user": "3"}
    async with Victim.running(migrated_url, **settings) as victim, victim.client("ada") as ada:
        path = await new_conversation(ada)
        for content, key in keys.items():
            sent = request(path, "ada", content, **{"Idempotency-Key": key})
            _, writer = await victim.connect()
            writer.write(sent[: chance.choice([len(sent) // 2, len(sent) - 1, len(sent), len(sent)])])
            await asyncio.sleep(chance.choice([0, 0.001, 0.003, 0.02, 0.2]))
            writer.transport.abort()
        for content, key in keys.items():
            again: dict[str, Any] = {"json": {"content": content}, "headers": {"Idempotency-Key": key}}
            while (answer := await ada.post(f"{path}/reply", **again)).status_code == 429:  # noqa: ASYNC110 - a server
                await asyncio.sleep(0.02)
            assert "event: message" in answer.text
        stored = (await ada.get(f"{path}/messages", params={"limit": 1000})).json()["items"]
        said = await victim.said()
    assert sorted(each["content"] for each in stored if each["role"] == "user") == sorted(keys)
    assert [each["content"] for each in stored if each["role"] == "assistant"] == [WHOLE] * len(keys)
    assert "ERROR" not in said


async def last_event(client: httpx.AsyncClient, path: str) -> tuple[int, str]:
    """Return the number of events in the stream, and the last event."""
    text = (await client.post(f"{path}/reply", json={"content": "talk"})).text
    return text.count("event:"), text.strip().split("\n\n")[-1]


async def test_a_reply_in_small_pieces_costs_what_its_text_costs(migrated_url: str) -> None:
    """Before, a reply of 1 MB in pieces of two bytes took 19 s and sent an event for each."""
    settings: dict[str, Any] = {"assistant": named(Chatty), "max_reply_characters": "5000000"}
    async with Victim.running(migrated_url, **settings) as victim, victim.client("ada") as ada:
        path = await new_conversation(ada)
        async with victim.measured() as cost:
            events, last = await last_event(ada, path)
    assert len(json.loads(last.split("data: ")[1])["content"]) == Chatty.CHARACTERS
    assert events < 2_000
    assert cost.peak_megabytes < 200
    assert set(cost.statuses) == {200}


async def test_a_reply_without_end_is_stopped(migrated_url: str) -> None:
    """It ends at `max_reply_characters` with a problem, and nothing of it is stored."""
    async with Victim.running(migrated_url, assistant=named(Endless)) as victim, victim.client("ada") as ada:
        path = await new_conversation(ada)
        async with victim.measured() as cost, asyncio.timeout(LIMIT_SECONDS):
            _, last = await last_event(ada, path)
        stored = (await ada.get(f"{path}/messages")).json()["items"]
    assert "urn:problem:unfinished-reply" in last
    assert [message["role"] for message in stored] == ["user"]
    assert cost.peak_megabytes < 200
    assert set(cost.statuses) == {200}
