"""Unit tests use no database: they do not get the other tests' server."""

import pytest


@pytest.fixture(scope="session")
def server_url() -> str:
    """Fail: a test that needs PostgreSQL belongs elsewhere."""
    pytest.fail("a unit test asks for a database; move it to tests/integration")
