"""How many round trips to the database each request makes."""

import pytest

from tests.api.speaking import new_conversation
from tests.api.support import in_process
from tests.support.proxy import FaultProxy
from tests.support.wire import WireCounter

KEY = {"Idempotency-Key": "6f2c1a52-6a0e-4a7e-9b52-0d3f3c0f5b11"}


@pytest.mark.parametrize("headers", [{}, KEY], ids=["plain", "keyed"])
async def test_a_streamed_reply_takes_two_round_trips(migrated_url: str, user_id: str, headers: dict[str, str]) -> None:
    """One stores the question and reads the history, one stores the reply; a repeat looks for the stored reply."""
    async with FaultProxy(migrated_url).running() as proxy:
        counter = WireCounter(proxy)
        async with (
            in_process(proxy.url(), database={"pool_size": 1}) as running,
            running.client(user_id) as client,
        ):
            path = await new_conversation(client)
            for _ in ("the first try", "a repeat"):
                await client.post(f"{path}/reply", json={"content": "hello"}, headers=KEY_OF_WARMING)
            await client.post(f"{path}/reply", json={"content": "hello"})
            for _ in ("the first try", "a repeat"):
                async with counter.expect(2):
                    answer = await client.post(f"{path}/reply", json={"content": "hello"}, headers=headers)
                assert answer.status_code == 200


KEY_OF_WARMING = {"Idempotency-Key": "0e6f1f4e-1a37-4a57-8f3c-6f1f2f9a7a10"}
"""Of the first requests, with which the connection prepares every statement."""


@pytest.mark.parametrize("path", ["/tasks", "/conversations"])
async def test_a_page_takes_one_round_trip(migrated_url: str, user_id: str, path: str) -> None:
    """Its token costs none."""
    async with FaultProxy(migrated_url).running() as proxy:
        counter = WireCounter(proxy)
        async with (
            in_process(proxy.url(), database={"pool_size": 1}) as running,
            running.client(user_id) as client,
        ):
            await client.get(path)
            async with counter.expect(1):
                assert (await client.get(path)).status_code == 200
