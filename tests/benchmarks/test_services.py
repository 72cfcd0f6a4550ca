"""Each service that is compared does what it is measured by."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

import asyncpg
import pytest

from benchmarks.contenders import OURS
from benchmarks.server import create_database, server
from benchmarks.services import ASKS, CONSTANT, PLAIN, SERVICES, SESSION, Rounds, served
from benchmarks.services.client import Connection
from benchmarks.services.requests import APPEND, CREATE, PAGE_OF_TASKS, REPLY, Ask
from benchmarks.services.rows import furnish
from benchmarks.services.running import Service, services

ADDED = {CREATE: (1, 0), APPEND: (0, 1), REPLY: (0, 2)}
WRITERS = (OURS, PLAIN, SESSION)
# What the database chooses, or only this layer gives.
ITS_OWN = {"id", "user_id", "conversation_id", "created_at", "updated_at"}
CURSORS = {"next_cursor", "start_cursor", "end_cursor"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Start the server of the benchmarks."""
    with server() as postgres:
        yield postgres.port


@pytest.fixture(scope="module")
async def url(port: int) -> str:
    """Create the database of the services."""
    return await create_database(port, "services")


@pytest.fixture(scope="module")
async def running(url: str) -> AsyncIterator[dict[str, Service]]:
    """Run every service."""
    with services(url, await furnish(url, SERVICES)) as found:
        yield found


async def _rows(url: str, service: Service) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    counts = "select (select count(*) from task where user_id = $1), (select count(*) from message where user_id = $1)"
    tasks, messages = await connection.fetchrow(counts, service.place.writer)
    await connection.close()
    return tasks, messages


def _documents(text: str) -> list[Any]:
    """Return what an answer says: one document of JSON, or those of its events."""
    if text.startswith("event:"):
        return [json.loads(line.partition("data: ")[2]) for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(text)]


def _compared(found: Any) -> Any:
    return {key: value for key, value in found.items() if key not in ITS_OWN} if isinstance(found, dict) else found


@pytest.mark.parametrize("name", SERVICES)
async def test_every_service_lists_the_same_tasks(running: dict[str, Service], name: str) -> None:
    """Fifty of one user, byte for byte but for the cursors, which only this layer has."""
    ours, its = (json.loads(running[each].answer(PAGE_OF_TASKS)["text"]) for each in (OURS, name))
    assert its["items"] == ours["items"]
    assert len(its["items"]) == 50
    assert its.keys() == ours.keys() >= CURSORS


@pytest.mark.parametrize("ask", ADDED, ids=lambda ask: ask.name)
@pytest.mark.parametrize("name", WRITERS)
async def test_every_service_adds_the_same_rows(running: dict[str, Service], url: str, name: str, ask: Ask) -> None:
    """And answers with them in the same words."""
    before = await _rows(url, running[name])
    its = running[name].answer(ask)
    after = await _rows(url, running[name])
    assert (after[0] - before[0], after[1] - before[1]) == ADDED[ask]
    ours = running[OURS].answer(ask)
    assert (its["status"], its["media_type"].partition(";")[0]) == (ask.status, ours["media_type"].partition(";")[0])
    assert list(map(_compared, _documents(its["text"]))) == list(map(_compared, _documents(ours["text"])))


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
async def test_the_floor_gives_what_this_layer_gave(running: dict[str, Service], url: str, ask: Ask) -> None:
    """As long, and without a row."""
    before = await _rows(url, running[CONSTANT])
    constant, ours = running[CONSTANT].answer(ask), running[OURS].answer(ask)
    assert list(map(_compared, _documents(constant["text"]))) == list(map(_compared, _documents(ours["text"])))
    assert await _rows(url, running[CONSTANT]) == before


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
@pytest.mark.parametrize("name", SERVICES)
async def test_no_service_answers_without_a_valid_token(running: dict[str, Service], name: str, ask: Ask) -> None:
    """None is faster for not looking."""
    service = running[name]
    connection = await Connection.open(service.port)
    forged = ask.encoded("e30.e30.e30", service.place.conversations[0])
    await connection.ask(forged, status=HTTPStatus.UNAUTHORIZED)
    connection.close()


async def test_the_client_returns_the_whole_answer(running: dict[str, Service]) -> None:
    """Of a known length or in chunks, one after another on one connection."""
    service = running[OURS]
    connection = await Connection.open(service.port)
    for ask in (PAGE_OF_TASKS, REPLY, PAGE_OF_TASKS):
        answer = await connection.ask(service.encoded(ask, service.place.conversations[0]), status=ask.status)
        assert answer.endswith((b'"}', b"null}", b"\r\n0\r\n\r\n"))
    connection.close()


async def test_another_status_is_an_error(running: dict[str, Service]) -> None:
    """A service that refuses is not a fast one."""
    service = running[OURS]
    connection = await Connection.open(service.port)
    with pytest.raises(RuntimeError, match="404"):
        await connection.ask(service.encoded(APPEND, 2**62), status=APPEND.status)
    connection.close()


async def test_a_connection_that_is_closed_ends_the_wait() -> None:
    """The run fails, and does not stand still."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as listening:
        connection = await Connection.open(listening.sockets[0].getsockname()[1])
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(connection.ask(b"GET / HTTP/1.1\r\n\r\n", status=200), 5)


async def test_every_request_of_every_service_is_measured(port: int) -> None:
    """With its processor time and its rate in each round."""
    told: list[str] = []
    url = await create_database(port, "measured")
    found = await served(url, Rounds(rounds=1, turns=1), told.append)
    assert {(each.service, each.request) for each in found} == {(name, ask.name) for name in SERVICES for ask in ASKS}
    for each in found:
        assert len(each.cpu_rounds) == len(each.per_second) == 1
        assert min(each.cpu_rounds) > 0
        assert 0 < max(each.per_second) < 100_000
    assert {what.partition(":")[0] for what in told} == {"the service"}
