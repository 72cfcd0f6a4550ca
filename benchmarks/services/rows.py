"""The rows that the requests are about."""

from dataclasses import dataclass
from typing import Any, Final

import asyncpg

CONNECTIONS: Final = 16  # fewer than one user's share of replies
_TASKS: Final = 100
_MESSAGES: Final = 60
_READER: Final = "service-reader"


@dataclass(frozen=True, slots=True)
class Place:
    """Whose rows the requests of one service are about."""

    reader: str
    """The user whose tasks all services list."""
    writer: str
    """A user of the service's own."""
    conversations: list[int]
    """The writer's, one for each connection."""


async def furnish(url: str, names: tuple[str, ...]) -> dict[str, Place]:
    """Make a reader with tasks, and for each service a writer with conversations."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "insert into task (user_id, title, description)"
        " select $1, 'Task ' || n, repeat('about it ', 6) from generate_series(1, $2) n",
        _READER,
        _TASKS,
    )
    places = {}
    for number, name in enumerate(names):
        writer = f"service-writer-{number}"
        places[name] = Place(_READER, writer, await _conversations(connection, writer))
    await connection.execute("vacuum analyze")
    await connection.close()
    return places


async def _conversations(connection: Any, user: str) -> list[int]:
    made = await connection.fetch(
        "with made as"
        " (insert into conversation (user_id) select $1 from generate_series(1, $2) returning id),"
        " filled as (insert into message (user_id, conversation_id, role, content)"
        " select $1, made.id, 'user', repeat('hello ', 20) from made, generate_series(1, $3))"
        " select id from made",
        user,
        CONNECTIONS,
        _MESSAGES,
    )
    return [row["id"] for row in made]
