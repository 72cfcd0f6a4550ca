"""Pages of long messages."""

from typing import Any

import httpx
import pytest

from app.db import Database, DatabaseSettings
from app.db.models import MessageCreate, Role
from app.repositories import ConversationRepo, MessageRepo
from tests.api.attacks.victim import Victim

MESSAGES = 20
CHARACTERS = 4_900_000


async def _filled(migrated_url: str) -> str:
    """Fill a conversation with 98 MB, and return its path."""
    long = [MessageCreate(role=Role.USER, content=str(n % 10) * CHARACTERS) for n in range(MESSAGES)]
    async with Database(DatabaseSettings(url=migrated_url)) as db:
        conversation = await ConversationRepo(db).create("a collector")
        for message in long:
            await MessageRepo(db).append("a collector", conversation.id, message)
    return f"/conversations/{conversation.id}/messages"


@pytest.fixture(scope="module")
async def path(migrated_url: str) -> str:
    """Fill a conversation that these tests only read."""
    return await _filled(migrated_url)


async def test_a_page_ends_early_where_its_messages_are_long(victim: Victim, path: str) -> None:
    """Before, 20 of these messages were one page and took 400 MB of memory; cursors reach them all."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    async with victim.client("a collector") as client, victim.measured() as cost:
        while True:
            page = await _page(client, path, cursor)
            found += [message["content"][0] for message in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"after": page["next_cursor"]}
    assert found == [str(n % 10) for n in range(MESSAGES)]
    assert cost.peak_megabytes < 200
    assert set(cost.statuses) == {200}


async def _page(client: httpx.AsyncClient, path: str, cursor: dict[str, str]) -> dict[str, Any]:
    answer = await client.get(path, params={"limit": "1000", **cursor})
    page: dict[str, Any] = answer.json()
    assert 0 < len(page["items"]) < MESSAGES
    return page


async def test_the_latest_messages_are_the_newest_that_fit(victim: Victim, path: str) -> None:
    """The history that the assistant gets has the same limit."""
    async with victim.client("a collector") as client, victim.measured() as cost:
        latest = (await client.get(f"{path}/latest", params={"limit": "1000"})).json()
    assert [message["content"][0] for message in latest] == [str(n % 10) for n in range(MESSAGES)][-len(latest) :]
    assert 0 < len(latest) < MESSAGES
    assert cost.peak_megabytes < 200


async def test_the_history_of_a_reply_is_bounded(victim: Victim, migrated_url: str) -> None:
    """Without the limit, each in-flight reply would hold fifty messages of this length."""
    path = await _filled(migrated_url)  # the reply adds to it
    async with victim.client("a collector") as client, victim.measured() as cost:
        answer = await client.post(path.replace("/messages", "/reply"), json={"content": "hello"})
    assert "event: message" in answer.text
    assert cost.peak_megabytes < 200
