"""Each contender does the work that it is measured by."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import pytest

from benchmarks.contenders import CONTENDERS, LISTENED, OURS, SAME_MODELS, Contender, Place, load
from benchmarks.contenders.base import PAGE
from benchmarks.results import OPERATIONS
from benchmarks.server import create_database, furnish, server
from benchmarks.worker import Worker

# The packages of the others are only in the environment of `make bench`; LISTENED changes its process for good.
_MODULES = ("ours", "asyncpg_", "sql")
HERE = [name for name in CONTENDERS if CONTENDERS[name].startswith(_MODULES) and name != LISTENED]
ROWS = "select (select count(*) from task where user_id = $1), (select count(*) from message where user_id = $1)"


class Furnished(NamedTuple):
    """A database with the rows of each contender."""

    url: str
    places: dict[str, Place]


@pytest.fixture(scope="module")
async def furnished() -> AsyncIterator[Furnished]:
    """Start the server of the benchmarks and fill its database."""
    with server() as postgres:
        url = await create_database(postgres.port, "bench")
        yield Furnished(url, await furnish(url))


async def _opened(furnished: Furnished, name: str) -> tuple[Contender, Worker]:
    contender = load(name)()
    worker = Worker(contender, furnished.places[name], furnished.url)
    await worker.open(furnished.url)
    return contender, worker


async def _rows(furnished: Furnished, name: str) -> tuple[int, ...]:
    connection = await asyncpg.connect(furnished.url)
    found = await connection.fetchrow(ROWS, furnished.places[name].user)
    await connection.close()
    return tuple(found)


@pytest.mark.parametrize("name", HERE)
async def test_a_contender_reads_and_writes_what_it_says(furnished: Furnished, name: str) -> None:
    """It adds a row for each create and append, deletes one for each delete, and reads what was there before."""
    contender, worker = await _opened(furnished, name)
    able = [operation for operation in OPERATIONS if operation in contender.operations]
    tasks, messages = await _rows(furnished, name)
    for operation in able:
        found = await worker.run(operation, 2)
        assert len(found["seconds"]) == 2
    await worker.close()
    created = 2 if "create" in able else 0  # two are made to be deleted, and are
    appended = (2 if "append" in able else 0) + (4 if "turn" in able else 0)
    assert await _rows(furnished, name) == (tasks + created, messages + appended)


@pytest.mark.parametrize("name", [name for name in HERE if "update" in load(name).operations])
async def test_each_update_gives_another_title(furnished: Furnished, name: str) -> None:
    """The value changes with every call, also after the contender has been opened again."""
    _, worker = await _opened(furnished, name)
    titles = []
    connection = await asyncpg.connect(furnished.url)
    for _ in range(3):
        await worker.run("update", 1)
        await worker.close()
        await worker.open(furnished.url)
        titles.append(await connection.fetchval("select title from task where id = $1", furnished.places[name].task))
    await connection.close()
    await worker.close()
    assert len(set(titles)) == 3


async def test_a_page_of_models_is_the_page_of_this_layer(furnished: Furnished) -> None:
    """The same fifty models, and whether more follow, which costs a 51st row."""
    place = furnished.places[OURS]
    pages = []
    for name in (OURS, SAME_MODELS):
        contender = load(name)()
        await contender.open(furnished.url, place)
        pages.append(await contender.page())
        await contender.close()
    ours, (models, more) = pages
    assert models == ours.items
    assert len(models) == PAGE
    assert more is (ours.next_cursor is not None) is True
