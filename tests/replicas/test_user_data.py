"""What is exported, and what proves that nothing is left, is the primary's, also where a replica is behind."""

from app.db import Database, DatabaseSettings
from app.repositories import TaskRepo
from app.userdata import erase_user, import_user
from tests.replicas.conftest import Pair
from tests.replicas.reading import served, until_ready
from tests.support.exported import exported, furnish, stored


async def test_a_replica_that_is_behind_is_not_asked(pair: Pair, user_id: str) -> None:
    """Rows that another process wrote are exported and erased, though the replica has not heard of them."""
    url = pair.settings().url
    async with Database(DatabaseSettings(url=url)) as other, Database(pair.settings()) as db:
        await until_ready(db)
        await served(db, lambda: TaskRepo(db).count(user_id))
        with pair.paused():
            await furnish(other, user_id)
            assert await served(db, lambda: TaskRepo(db).count(user_id)) == 0
            file = await exported(db, user_id)
            assert file == await exported(other, user_id)
            await import_user(db, f"{user_id}-2", file.splitlines(keepends=True))
            assert [step async for step in erase_user(db, user_id)]
            assert not any((await stored(other, user_id)).values())
            assert await exported(db, f"{user_id}-2") == file
