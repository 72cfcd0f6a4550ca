"""The tests of `tests.integration.test_idempotency_append`, on each form of a database."""

from tests.integration.test_idempotency_append import *  # noqa: F403 - its tests, with the fixtures of this folder
