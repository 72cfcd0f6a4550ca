"""The tests of `tests.walking.test_pages`, on each form of a database."""

from tests.walking.test_pages import *  # noqa: F403 - its tests, with the fixtures of this folder
