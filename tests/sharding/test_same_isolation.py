"""The tests of `tests.walking.test_isolation`, on each form of a database."""

from tests.walking.test_isolation import (
    test_every_query_is_asked,
    test_what_a_user_asks_opens_nothing_to_another,
)

__all__ = ["test_every_query_is_asked", "test_what_a_user_asks_opens_nothing_to_another"]
