"""The tests of `tests.integration.test_history`, on each form of a database."""

from tests.integration.test_history import *  # noqa: F403 - its tests, with the fixtures of this folder
