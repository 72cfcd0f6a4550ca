"""What another role plants in the schema is not called by what replicas add to statements."""

from app.db import Database, DatabaseSettings
from app.db.engine.compiled import compiled
from app.db.migrations import upgrade
from app.db.models import TaskCreate
from app.db.query import WhenLost
from app.db.replicas.statements import guarded, marked
from app.repositories import TaskRepo, queries
from tests.replicas.conftest import Pair
from tests.replicas.reading import served
from tests.support.embedded import psql
from tests.support.spies import plant_spies


def _statements() -> list[str]:
    reads = [guarded(query) for query in queries().values() if query.when_lost is WhenLost.NOT_DONE]
    writes = [marked(query) for query in queries().values() if query.when_lost is not WhenLost.NOT_DONE]
    return [compiled(query).sql for query in (*reads, *writes) if query]


async def test_planted_operators_and_functions_are_not_called(pair: Pair, user_id: str) -> None:
    """Each of them would make a comparison true; the guard then would let stale reads pass."""
    psql(pair.primary.url(), "create database planted")
    async with Database(DatabaseSettings(url=pair.primary.url("planted"))) as db:
        await upgrade(db.engine)
        async with db.engine.begin() as connection:
            await plant_spies(connection, _statements())
    pair.catch_up()
    url, replica_url = pair.primary.tcp_url("planted") + "?sslmode=disable", pair.replica.url("planted")
    async with Database(pair.settings(url=url, replica_url=replica_url)) as db:
        tasks = TaskRepo(db)
        assert await served(db, lambda: tasks.count(user_id)) == 0
        with pair.paused():
            await tasks.create(user_id, TaskCreate(title="Buy milk"))
            assert await tasks.count(user_id) == 1
        assert await served(db, lambda: tasks.count(user_id)) == 1
