"""The tests of `tests.walking.test_updates`, on each form of a database."""

from tests.walking.test_updates import (
    rows,
    test_an_update_changes_only_what_it_names,
    test_the_first_of_two_that_read_the_same_row_wins,
)

__all__ = ["rows", "test_an_update_changes_only_what_it_names", "test_the_first_of_two_that_read_the_same_row_wins"]
