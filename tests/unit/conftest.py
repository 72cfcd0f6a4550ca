"""Unit tests use no database: the server of the other tests is not theirs."""

import pytest


@pytest.fixture(scope="session")
def server_url() -> str:
    """Fail: a test that needs PostgreSQL belongs elsewhere."""
    pytest.fail("a unit test asks for a database; move it to tests/integration")
