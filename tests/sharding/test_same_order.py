"""The tests of `tests.integration.test_order`, on each form of a database."""

from tests.integration.test_order import *  # noqa: F403 - its tests, with the fixtures of this folder
