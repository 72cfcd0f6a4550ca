"""The tests of `tests.walking.test_idempotency`, on each form of a database."""

from tests.walking.test_idempotency import *  # noqa: F403 - its tests, with the fixtures of this folder
