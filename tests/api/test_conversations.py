"""Conversations and their messages over HTTP."""

from typing import Any
from uuid import uuid4

import httpx


async def test_conversations_are_listed_most_recently_active_first(client: httpx.AsyncClient) -> None:
    """A new message moves a conversation to the front of the list."""
    first, second = [(await client.post("/conversations")).json() for _ in range(2)]
    await client.post(f"/conversations/{first['id']}/messages", json={"role": "user", "content": "hi"})
    page = (await client.get("/conversations", params={"limit": 1})).json()
    rest = (await client.get("/conversations", params={"after": page["next_cursor"]})).json()
    assert [c["id"] for c in page["items"] + rest["items"]] == [first["id"], second["id"]]
    assert rest["next_cursor"] is None


async def test_a_deleted_conversation_takes_its_messages_with_it(client: httpx.AsyncClient) -> None:
    """Afterwards none of its messages can be read, and none can be added."""
    path = f"/conversations/{(await client.post('/conversations')).json()['id']}"
    await client.post(f"{path}/messages", json={"role": "user", "content": "hi"})
    assert (await client.get(path)).status_code == 200
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404
    assert (await client.get(f"{path}/messages")).status_code == 404
    assert (await client.get(f"{path}/messages/latest")).status_code == 404
    lost = await client.post(f"{path}/messages", json={"role": "user", "content": "hi"})
    assert (lost.status_code, lost.json()["type"]) == (404, "urn:problem:missing-reference")


async def test_start_creates_a_conversation_with_its_first_message_once(client: httpx.AsyncClient) -> None:
    """Both messages are stored, and a repeated request with the same key adds neither."""
    headers = {"Idempotency-Key": str(uuid4())}
    body = {"role": "user", "content": "hello"}
    first = await client.post("/messages", json=body, headers=headers)
    second = await client.post("/messages", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["message"] == second.json()["message"]
    assert first.json()["conversation"]["id"] == second.json()["conversation"]["id"]
    assert len((await client.get("/conversations")).json()["items"]) == 1
    latest = await client.get(f"/conversations/{first.json()['conversation']['id']}/messages/latest")
    assert latest.json() == [first.json()["message"]]


async def test_pages_of_messages_go_both_ways_and_poll_for_what_comes_later(client: httpx.AsyncClient) -> None:
    """Pages follow `after`, `before` and `end_cursor`."""
    path = f"/conversations/{(await client.post('/conversations')).json()['id']}/messages"
    for n in range(4):
        await client.post(path, json={"role": "user", "content": str(n)})

    async def page(**params: str | int) -> dict[str, Any]:
        answer: dict[str, Any] = (await client.get(path, params={"limit": 2, **params})).json()
        return answer | {"items": [message["content"] for message in answer["items"]]}

    first = await page()
    second = await page(after=first["next_cursor"])
    back = await page(before=second["start_cursor"])
    assert [p["items"] for p in (first, second, back)] == [["0", "1"], ["2", "3"], ["0", "1"]]
    assert second["next_cursor"] is None
    await client.post(path, json={"role": "assistant", "content": "later"})
    assert (await page(after=second["end_cursor"]))["items"] == ["later"]
    assert [m["content"] for m in (await client.get(f"{path}/latest", params={"limit": 2})).json()] == ["3", "later"]


async def test_a_repeated_message_with_the_same_key_is_one_message(client: httpx.AsyncClient) -> None:
    """A client repeats a request when it has not received the response."""
    path = f"/conversations/{(await client.post('/conversations')).json()['id']}/messages"
    headers = {"Idempotency-Key": str(uuid4())}
    sent = [await client.post(path, json={"role": "user", "content": "hi"}, headers=headers) for _ in range(3)]
    assert {answer.status_code for answer in sent} == {201}
    assert (await client.get(path)).json()["items"] == [sent[0].json()]


async def test_a_repeated_conversation_with_the_same_key_is_one_conversation(client: httpx.AsyncClient) -> None:
    """A request without a body may have a key too."""
    headers = {"Idempotency-Key": str(uuid4())}
    sent = [(await client.post("/conversations", headers=headers)).json() for _ in range(2)]
    assert sent[0] == sent[1]
    assert len((await client.get("/conversations")).json()["items"]) == 1


async def test_a_conversation_without_messages_has_an_empty_page(client: httpx.AsyncClient) -> None:
    """An empty conversation gives 200; a missing one does not."""
    path = f"/conversations/{(await client.post('/conversations')).json()['id']}/messages"
    assert (await client.get(path)).json()["items"] == []
    assert (await client.get(f"{path}/latest")).json() == []
