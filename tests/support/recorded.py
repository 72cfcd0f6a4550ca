"""The queries that the repositories' public methods run, with the parameters that they send."""

from collections.abc import Iterable
from typing import Any

from app.db import Database
from app.db.query import Query
from app.doctor.measuring.recorder import Recorder
from tests.support.calls import Call, Rows

Ran = list[tuple[Query[Any], dict[str, Any]]]


async def recorded(call: Call, db: Database, rows: Rows, *, commit: bool = False) -> Ran:
    """Return the queries of a call, including the ones before it; only `commit` keeps their effects."""
    if commit:
        recorder = Recorder(db)
        await call.run(recorder, rows)
        return recorder.ran
    async with db.sessionmaker() as session:
        recorder = Recorder(session)
        await call.run(recorder, rows)
        return recorder.ran


async def recorded_by_name(calls: Iterable[Call], db: Database, rows: Rows) -> dict[str, tuple[Query[Any], Any]]:
    """Return one use of each query by its name; everything is rolled back."""
    return {query.name: (query, sent) for call in calls for query, sent in await recorded(call, db, rows)}
