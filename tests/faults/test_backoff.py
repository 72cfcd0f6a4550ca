"""Connecting to an unreachable database is retried with exponential backoff (EC-2)."""

import random
import re

import pytest

from app.db import Database, DatabaseSettings
from app.db.errors import UnavailableError
from app.repositories import TaskRepo


async def test_waits_double_up_to_a_second(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """These are the longest waits: full jitter draws each one between zero and that."""
    drawn: list[tuple[float, float]] = []

    def longest(least: float, most: float) -> float:
        drawn.append((least, most))
        return most

    monkeypatch.setattr(random, "uniform", longest)
    settings = DatabaseSettings(url="postgresql://ada@127.0.0.1:1/app?sslmode=disable", retry_seconds=3)
    async with Database(settings) as db:
        with pytest.raises(UnavailableError):
            await TaskRepo(db).count("ada")
    waits = [float(wait) for wait in re.findall(r"retrying in ([\d.]+) s", caplog.text)]
    assert waits[:5] == [0.1, 0.2, 0.4, 0.8, 1.0]
    assert max(waits) == 1.0
    assert {least for least, _ in drawn} == {0}
