"""One service for all attacks that need no special settings."""

import sys
from collections.abc import AsyncIterator

import pytest

from tests.api.attacks.victim import Victim


@pytest.fixture(scope="session")
async def victim(migrated_url: str) -> AsyncIterator[Victim]:
    """Run the service as it is deployed."""
    async with Victim.running(migrated_url) as victim:
        yield victim


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what reads Linux's /proc elsewhere."""
    if not sys.platform.startswith("linux"):
        for item in items:
            if "tests/api/attacks" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="memory is measured through /proc"))
