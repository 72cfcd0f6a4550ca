"""The tests of a user's data, on the databases of this folder."""

from tests.walking.test_user_data import (
    test_every_row_comes_back_as_it_was,
    test_every_row_is_erased_and_nobody_elses,
    test_every_row_refers_to_what_it_referred_to,
)

__all__ = [
    "test_every_row_comes_back_as_it_was",
    "test_every_row_is_erased_and_nobody_elses",
    "test_every_row_refers_to_what_it_referred_to",
]
