"""What is reported of a call is the same, whichever way it is executed."""

from typing import Any

import pytest

from app.db import Database, DatabaseSettings
from app.db.telemetry.execution import Execution
from tests.support.calls import Call, Rows, calls


@pytest.mark.parametrize("call", calls(), ids=lambda call: call.name)
async def test_as_many_rows_are_reported_on_a_database_as_in_a_session(
    migrated_url: str, db: Database, user_id: str, call: Call
) -> None:
    """A page of several rows is as many, not one answer."""
    heard: list[Execution] = []
    async with Database(DatabaseSettings(url=migrated_url, pool_size=1)) as reporting:
        reporting.report_to(heard.append)
        reported = []
        for number in range(2):
            rows = await Rows.of(db, f"{user_id}-{number}")
            arguments: dict[str, Any] = await call.arguments(db, rows)
            heard.clear()
            if number:
                async with reporting.transaction() as session:
                    await call.send(session, arguments)
            else:
                await call.send(reporting, arguments)
            reported.append([(execution.name, execution.rows) for execution in heard])
    assert reported[0] == reported[1] != []
