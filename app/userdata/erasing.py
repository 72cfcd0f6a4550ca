"""Everything that a user has is deleted, in steps that keep nobody waiting, and proven to be gone."""

from collections.abc import AsyncIterator
from typing import Final

from app.db.errors import ConflictError
from app.db.executor import Executor
from app.db.models.base import MIN_BIGINT
from app.repositories.checks import checked_user_id
from app.userdata.exporting import extents_of
from app.userdata.statements import PAGE_ROWS, deletion
from app.userdata.tables import UserTable, user_tables

_PASSES: Final = 5


async def erase_user(executor: Executor, user_id: str) -> AsyncIterator[tuple[str, int]]:
    """Delete every row of a user, and yield the table and the rows of each step; at its end nothing is left.

    A step is a statement, its own transaction, and deletes at most 1,000 rows or 8 MB: interrupted, what is done is
    done, and the same call goes on. It ends when one statement has counted no row in any table. Raises
    `ConflictError` if the user goes on writing.
    """
    user_id = checked_user_id(user_id)
    for _ in range(_PASSES):
        found = await extents_of(executor, user_id, {})
        if not any(extent.rows for extent in found.values()):
            return
        for of in reversed(user_tables()):
            async for rows in _delete(executor, user_id, of, bound=found[of.name].bound):
                yield of.name, rows
    written = ", ".join(f"{extent.rows:,} of {name}" for name, extent in found.items() if extent.rows)
    raise ConflictError(f"the user still writes ({written} at last): end the user's access, then erase again")


async def _delete(executor: Executor, user_id: str, of: UserTable, *, bound: int) -> AsyncIterator[int]:
    """Delete the rows up to `bound`: those of a user who writes on are for the next pass, or this one had no end."""
    place = MIN_BIGINT
    while place < bound:
        sent = {"p_user_id": user_id, "p_place": place, "p_limit": PAGE_ROWS}
        (step,) = await executor.fetch(deletion(of), sent)
        place = step["last"] or bound
        if step["rows"]:
            yield step["rows"]
