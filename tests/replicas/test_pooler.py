"""A replica behind PgBouncer: each statement may run on another of its connections."""

from app.db import Database
from app.db.models import TaskCreate
from app.repositories import TaskRepo
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, status, until_ready
from tests.support.pgbouncer import PgBouncer


async def test_reads_through_a_pooler_see_what_was_written(pair: Pair, user_id: str) -> None:
    """Nothing is prepared by name, and nothing is taken for proven of a connection."""
    with PgBouncer("127.0.0.1", pair.replica.server.port) as pooler:
        async with Database(pair.settings(pooler="transaction", replica_url=pooler.url("postgres"))) as db:
            tasks = TaskRepo(db)
            await until_ready(db)
            with pair.paused():
                await tasks.create(user_id, TaskCreate(title="Buy milk"))
                assert await tasks.count(user_id) == 1
            for number in range(2, 20):
                await tasks.create(user_id, TaskCreate(title="Buy milk"))
                assert await served(db, lambda: tasks.count(user_id)) == number
            assert status(db).failed == 0
