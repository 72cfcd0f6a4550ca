"""The service in several processes that read from replicas."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.api import create_app
from app.db import DatabaseSettings
from app.db.replicas.tokens import MAX_CHARACTERS
from tests.api.support import Running, api_settings, running
from tests.replicas.conftest import Pair
from tests.replicas.reading import until_ready

HEADER = "Causal-Token"
PAGE = "https://app.example"


@pytest.fixture
async def processes(pair: Pair) -> AsyncIterator[tuple[Running, Running]]:
    """Run the service twice, each with its own knowledge of who wrote what."""
    app = [create_app(api_settings(cors_origins=PAGE), database=pair.settings()) for _ in range(2)]
    async with running(app[0]) as one, running(app[1]) as other:
        for each in (one, other):
            await until_ready(each.services.database)
        yield one, other


async def _titles(client: httpx.AsyncClient, token: str | None = None) -> list[str]:
    answer = await client.get("/tasks", headers={HEADER: token} if token else {})
    assert answer.status_code == 200, answer.text
    assert HEADER not in answer.headers
    return [task["title"] for task in answer.json()["items"]]


async def test_what_one_process_wrote_another_shows_with_the_token(
    pair: Pair, processes: tuple[Running, Running], user_id: str
) -> None:
    """The client passes the header on; each write gives a new one, also in a transaction and if it fails."""
    one, other = (process.client(user_id) for process in processes)
    async with one, other:
        with pair.paused():
            created = await one.post("/tasks", json={"title": "Buy milk"})
            assert await _titles(other, created.headers[HEADER]) == ["Buy milk"]
            started = await one.post("/messages", json={"role": "user", "content": "hi"})
            missing = await one.delete(f"/tasks/{2**40}")
        tokens = [answer.headers[HEADER] for answer in (created, started, missing)]
    assert (created.status_code, started.status_code, missing.status_code) == (201, 201, 404)
    assert all(0 < len(token) <= MAX_CHARACTERS for token in tokens)


async def test_a_streamed_reply_ends_with_a_token_that_covers_it(
    pair: Pair, processes: tuple[Running, Running], user_id: str
) -> None:
    """The head of the answer was sent before the reply was stored."""
    one, other = (process.client(user_id) for process in processes)
    async with one, other:
        chat = (await one.post("/conversations")).json()["id"]
        with pair.paused():
            streamed = await one.post(f"/conversations/{chat}/reply", json={"content": "hi"})
            events = dict(line.split("\ndata: ") for line in streamed.text.replace("event: ", "").split("\n\n") if line)
            token = json.loads(events["causal-token"])
            listed = await other.get(f"/conversations/{chat}/messages", headers={HEADER: token})
    assert [message["role"] for message in listed.json()["items"]] == ["user", "assistant"]
    assert streamed.headers[HEADER]


@pytest.mark.parametrize("token", ["AAAA", "x" * 1000, ""])
async def test_a_damaged_token_is_a_problem(processes: tuple[Running, Running], user_id: str, token: str) -> None:
    """The request is refused before anything is done, and the token is not repeated in the answer."""
    async with processes[0].client(user_id) as client:
        answer = await client.post("/tasks", json={"title": "Buy milk"}, headers={HEADER: token})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:problem:invalid")
        assert not token or token not in answer.text
        assert await _titles(client) == []


async def test_pages_of_other_origins_may_send_and_read_it(processes: tuple[Running, Running], user_id: str) -> None:
    """As every header of the service."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": HEADER}
    async with processes[0].client(user_id) as client:
        preflight = await client.options("/tasks", headers=asked)
        created = await client.post("/tasks", json={"title": "x"}, headers={"Origin": PAGE})
    assert preflight.status_code == 200
    assert HEADER in preflight.headers["Access-Control-Allow-Headers"]
    assert HEADER in created.headers["Access-Control-Expose-Headers"]


def _paths(database: DatabaseSettings) -> dict[str, Any]:
    paths: dict[str, Any] = create_app(api_settings(), database=database).openapi()["paths"]
    return paths


def test_it_is_documented_where_there_are_replicas(pair: Pair) -> None:
    """As a parameter of every private route, and a header of every answer to what may write."""
    for path, operations in _paths(pair.settings()).items():
        for method, operation in operations.items():
            sent = HEADER in {each["name"] for each in operation.get("parameters", ())}
            assert sent is not path.endswith("z"), (method, path)
            answers = [each for status, each in operation["responses"].items() if status.startswith("2")]
            given = {HEADER in answer.get("headers", {}) for answer in answers}
            assert given == {method != "get" and sent}, (method, path)


def test_without_replicas_there_is_none(pair: Pair) -> None:
    """The documentation is that of before."""
    assert HEADER not in json.dumps(_paths(pair.settings(replica_url=None))["/tasks"])
