"""A second process that reads what the first has written: one JSON object per line, with tasks and tokens."""

import asyncio
import json
import sys

from app.db import Database, DatabaseSettings
from app.repositories import TaskRepo


async def read(db: Database, user_id: str, task_id: int, token: str) -> str:
    """Return the title of the task, after the token was accepted."""
    db.accept_causal_token(user_id, token)
    return (await TaskRepo(db).get(user_id, task_id)).title


async def main(url: str, replica_url: str) -> None:
    """Answer each line with the titles and with what the replica has served."""
    settings = DatabaseSettings(url=url, replica_url=replica_url, replica_sticky_seconds=0)
    async with Database(settings) as db:
        while line := await asyncio.to_thread(sys.stdin.readline):
            reads = json.loads(line)["reads"]
            titles = await asyncio.gather(*(read(db, *each) for each in reads))
            print(json.dumps({"titles": titles, "served": db.pool_status().replicas[0].served}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
