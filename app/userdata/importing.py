"""An export becomes the rows of a user again, in bounded steps."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from app.db.errors import ConflictError, InvalidInputError
from app.db.executor import Executor
from app.repositories.checks import checked_user_id
from app.repositories.chunks import chunks_of
from app.userdata.exporting import Export, extents_of
from app.userdata.lines import Reader, Row
from app.userdata.statements import insertion
from app.userdata.tables import UserTable

_STEP_ROWS: Final = 2000
_STEP_BYTES: Final = 8_000_000


def check_lines(lines: Iterable[bytes]) -> dict[str, int]:
    """Return how many rows of each table a file has; raises `InvalidInputError`, which names the line."""
    reader = Reader(lines)
    for _ in reader.read():
        pass
    return reader.rows


async def import_user(executor: Executor, user_id: str, lines: Iterable[bytes]) -> dict[str, int]:
    """Give a user the rows of a file, with its times and its order and with new ids, and return how many of each table.

    The user must have nothing, or the beginning of this very file: after an import that was interrupted the same call
    goes on where that one stopped. Each step is one statement of at most 2,000 rows or 8 MB. Raises
    `InvalidInputError`, which names the line: the rows before it stay, and the same call with the corrected file goes
    on. Raises `ConflictError` if the user has other rows at the end: somebody else has written meanwhile.
    """
    user_id = checked_user_id(user_id)
    reader = Reader(lines)
    there = await Export.begin(executor, user_id)
    async for part in there.parts():
        reader.follow(part.lines, part.of)
    importer = _Importer(executor, user_id, there.ids)
    for step in _steps(reader.read()):
        await importer.write(step)
    await _check_rows(executor, user_id, reader.rows)
    return reader.rows


async def _check_rows(executor: Executor, user_id: str, rows: Mapping[str, int]) -> None:
    found = {name: extent.rows for name, extent in (await extents_of(executor, user_id, {})).items()}
    if found != rows:
        told = ", ".join(
            f"{found[name]:,} of {name} instead of {rows[name]:,}" for name in rows if found[name] != rows[name]
        )
        raise ConflictError(
            f"something else wrote while the file was imported ({told}), such as a second import: erase the user, and"
            " import again"
        )


class _Importer:
    def __init__(self, executor: Executor, user_id: str, ids: dict[str, "array[int]"]) -> None:
        self._executor = executor
        self._user_id = user_id
        self._ids = ids

    async def write(self, rows: Sequence[Row]) -> None:
        """Write the rows, or, where the database refuses one, those before it."""
        of = rows[0].of
        try:
            ids = await self._executor.fetch(insertion(of), {"p_user_id": self._user_id, **self._sent(of, rows)})
        except (InvalidInputError, ConflictError) as error:
            if len(rows) == 1:
                raise InvalidInputError(f"line {rows[0].line}: {error}") from error
            half = len(rows) // 2
            await self.write(rows[:half])
            await self.write(rows[half:])
            return
        if of.is_parent:
            self._ids[of.name].extend(sorted(ids))  # ids are drawn in the order of the rows

    def _sent(self, of: UserTable, rows: Sequence[Row]) -> dict[str, list[Any]]:
        sent = {f"p_{column.name}": [row.values[column.name] for row in rows] for column in of.columns}
        for column, parent in of.parents.items():
            known = self._ids[parent]
            sent[f"p_{column}"] = [place and known[place - 1] for place in sent[f"p_{column}"]]
        return sent


def _steps(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield the rows in steps, each of one table."""
    for _, of_table in groupby(rows, key=lambda row: row.of):
        yield from chunks_of(of_table, lambda row: row.size, most_items=_STEP_ROWS, most_size=_STEP_BYTES)
