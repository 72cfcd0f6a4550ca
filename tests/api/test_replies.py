"""Replies that are streamed."""

import asyncio

import httpx
import pytest

from app.db.models import MessageCreate, Role
from tests.api.speaking import WHOLE, Broken, Held, Historian, Slow, Unstorable, events, new_conversation, until_asked
from tests.api.support import Running, bearer, in_process, served_app
from tests.support.waiting import until


async def test_the_answer_comes_word_by_word_and_then_as_stored(client: httpx.AsyncClient) -> None:
    """The default assistant echoes."""
    path = await new_conversation(client)
    answer = await client.post(f"{path}/reply", json={"content": "hello  dear\nworld"})
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *pieces, (kind, message) = events(answer)
    assert {kind for kind, _ in pieces} == {"piece"}
    assert "".join(text for _, text in pieces) == "hello  dear\nworld"
    assert (kind, message["role"], message["content"]) == ("message", "assistant", "hello  dear\nworld")
    stored = (await client.get(f"{path}/messages")).json()["items"]
    assert [m["role"] for m in stored] == ["user", "assistant"]
    assert stored[-1] == message


async def test_pieces_arrive_while_the_assistant_still_speaks(migrated_url: str, user_id: str) -> None:
    """The client gets the pieces as they come, not all at the end."""
    held = Held()
    async with (
        served_app(migrated_url, assistant=lambda: held) as address,
        httpx.AsyncClient(base_url=address, headers=bearer(user_id)) as client,
    ):
        path = await new_conversation(client)
        async with client.stream("POST", f"{path}/reply", json={"content": "count"}) as answer:
            async for line in answer.aiter_lines():
                if line == "event: piece":
                    break
            latest = await client.get(f"{path}/messages/latest")
            assert [message["role"] for message in latest.json()] == ["user"]
            held.go_on()


async def test_the_end_of_an_answer_does_not_wait_for_the_next_piece(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What limits the pace of the pieces does not hold back the stored message."""
    monkeypatch.setattr("app.api.replies.reply._BETWEEN_PIECES_SECONDS", 600)
    path = await new_conversation(client)
    async with asyncio.timeout(30):
        answer = events(await client.post(f"{path}/reply", json={"content": "hello"}))
    assert [kind for kind, _ in answer] == ["piece", "message"]


async def test_the_assistant_is_shown_the_last_messages_and_the_question_last(migrated_url: str, user_id: str) -> None:
    """The settings say how many."""
    async with (
        in_process(migrated_url, assistant=Historian, history_messages=3) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        for n in range(4):
            await client.post(f"{path}/messages", json={"role": "user", "content": str(n)})
        answer = events(await client.post(f"{path}/reply", json={"content": "now"}))
    assert answer[0] == ("piece", "user: 2|user: 3|user: now")


async def test_the_assistant_is_shown_whole_turns_of_so_many_characters(migrated_url: str, user_id: str) -> None:
    """The answer to a question that does not fit is left out, too."""
    async with (
        in_process(migrated_url, assistant=Historian, history_characters=10) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        for role, content in (("user", "long"), ("assistant", "a"), ("user", "b"), ("assistant", "c")):
            await client.post(f"{path}/messages", json={"role": role, "content": content})
        answer = events(await client.post(f"{path}/reply", json={"content": "whom?"}))
    assert answer[0] == ("piece", "user: b|assistant: c|user: whom?")


async def test_the_end_of_the_service_waits_for_started_answers(migrated_url: str, user_id: str) -> None:
    """A deploy in the middle of a reply loses nothing."""
    async with in_process(migrated_url, assistant=Slow) as running, running.client(user_id) as client:
        path = await new_conversation(client)
        asking = asyncio.create_task(client.post(f"{path}/reply", json={"content": "count"}))
        await until_asked(client, path)
        asking.cancel()
        await asyncio.wait([asking])
    async with in_process(migrated_url) as running, running.client(user_id) as client:
        latest = (await client.get(f"{path}/messages/latest")).json()
    assert [message["content"] for message in latest] == ["count", WHOLE]


async def test_the_end_of_the_service_does_not_wait_for_ever(
    migrated_url: str, user_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An assistant that hangs is cancelled after `shutdown_seconds`, and the log says so."""
    async with (
        in_process(migrated_url, assistant=Held, shutdown_seconds=0.05) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        asking = asyncio.create_task(client.post(f"{path}/reply", json={"content": "count"}))
        await until_asked(client, path)
        asking.cancel()
        await asyncio.wait([asking])
    assert "is lost: the service ended before it was finished" in caplog.text


async def test_who_gives_up_waiting_for_an_answer_does_not_end_it(migrated_url: str, user_id: str) -> None:
    """The same holds for a cancelled caller in the same process."""
    held = Held()
    async with in_process(migrated_url, assistant=lambda: held) as running, running.client(user_id) as client:
        path = await new_conversation(client)
        question = MessageCreate(role=Role.USER, content="count")
        reply = await running.services.replies.start(user_id, int(path.split("/")[-1]), question)
        waiting = asyncio.create_task(reply.stored())
        await asyncio.sleep(0)  # it begins to wait
        waiting.cancel()
        await asyncio.wait([waiting])
        held.go_on()
        assert (await reply.stored()).content == WHOLE


@pytest.mark.parametrize("assistant", [Broken, Unstorable])
async def test_an_answer_that_breaks_off_ends_with_a_problem_and_is_not_stored(
    migrated_url: str, user_id: str, assistant: type[Broken]
) -> None:
    """The client is told, the assistant's error stays private, and an incomplete reply is not stored."""
    async with in_process(migrated_url, assistant=assistant) as running, running.client(user_id) as client:
        path = await new_conversation(client)
        kind, problem = events(await client.post(f"{path}/reply", json={"content": "private"}))[-1]
        stored = (await client.get(f"{path}/messages")).json()["items"]
    assert (kind, problem["type"]) == ("problem", "urn:problem:unfinished-reply")
    assert "private" not in problem["detail"]
    assert [message["role"] for message in stored] == ["user"]


async def test_an_answer_that_takes_too_long_is_ended(migrated_url: str, user_id: str) -> None:
    """The limit is `reply_timeout_seconds`."""
    async with (
        in_process(migrated_url, assistant=Held, reply_timeout_seconds=0.05) as running,
        running.client(user_id) as client,
    ):
        path = await new_conversation(client)
        kind, problem = events(await client.post(f"{path}/reply", json={"content": "count"}))[-1]
    assert (kind, problem["type"]) == ("problem", "urn:problem:unfinished-reply")


async def test_a_conversation_deleted_meanwhile_ends_the_answer_with_a_problem(migrated_url: str, user_id: str) -> None:
    """There is no conversation left to store it in."""
    held = Held()
    async with in_process(migrated_url, assistant=lambda: held) as running, running.client(user_id) as client:
        path = await new_conversation(client)
        asking = asyncio.create_task(client.post(f"{path}/reply", json={"content": "count"}))
        await until_asked(client, path)
        assert (await client.delete(path)).status_code == 204
        held.go_on()
        kind, problem = events(await asking)[-1]
    assert (kind, problem["type"]) == ("problem", "urn:problem:missing-reference")


async def test_no_connection_is_held_while_the_assistant_speaks(migrated_url: str, user_id: str) -> None:
    """The connection that stored the question is free again, too."""
    held = Held()
    async with in_process(migrated_url, assistant=lambda: held) as running, running.client(user_id) as client:
        path = await new_conversation(client)
        asking = asyncio.create_task(client.post(f"{path}/reply", json={"content": "count"}))
        await until_asked(client, path)
        await until(lambda: in_use(running) == 0)
        assert not asking.done()
        held.go_on()
        await asking


def in_use(running: Running) -> int:
    """Return how many connections are in use."""
    return running.services.database.pool_status().in_use
