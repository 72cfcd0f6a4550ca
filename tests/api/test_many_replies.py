"""More replies at once than may be in flight."""

import asyncio

from tests.api.speaking import WHOLE, Slow, events, new_conversation
from tests.api.support import in_process


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
