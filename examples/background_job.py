"""A background job: give each user one task a week that reviews the open ones.

It may be started twice, killed and started again: the idempotency key names the user's week, so each user gets one
task. A scheduler such as cron runs it: `python -m examples.background_job ada bob`, with DATABASE_URL set and migrated.
"""

import asyncio
import sys
from datetime import UTC, date, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from app.db import Database, DatabaseSettings
from app.db.errors import DataAccessError
from app.db.models import TaskCreate, TaskRead
from app.repositories import TaskRepo


def key_of(user_id: str, day: date) -> UUID:
    """Return the idempotency key of a user's week: the same for each run in that week."""
    year, week, _ = day.isocalendar()
    return uuid5(NAMESPACE_URL, f"weekly-review/{year}-{week}/{user_id}")


async def review(tasks: TaskRepo, user_id: str, day: date) -> TaskRead:
    """Create the user's task of this week, or return the one that is there."""
    year, week, _ = day.isocalendar()
    title = f"Review the open tasks of week {week} of {year}"
    return await tasks.create(user_id, TaskCreate(title=title), idempotency_key=key_of(user_id, day))


async def run(db: Database, user_ids: list[str], day: date) -> list[str]:
    """Review for all users at once, as many as the pool has connections; return the users for whom it failed."""
    tasks = TaskRepo(db)
    results = await asyncio.gather(*(review(tasks, each, day) for each in user_ids), return_exceptions=True)
    failed = []
    for user_id, result in zip(user_ids, results, strict=True):
        if isinstance(result, DataAccessError):  # the next run repeats it with the same key
            print(f"{user_id}: {result}", file=sys.stderr)
            failed.append(user_id)
        elif isinstance(result, BaseException):
            raise result
    return failed


async def main() -> None:
    """Run for the users on the command line; exit with 1 if a run must be repeated."""
    user_ids = sys.argv[1:] or ["ada", "bob"]
    async with Database(DatabaseSettings()) as db:
        failed = await run(db, user_ids, datetime.now(UTC).date())
    print(f"{len(user_ids) - len(failed)} of {len(user_ids)} users have their review")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    asyncio.run(main())
