"""The tests of a user's data, on the databases of this folder."""

from tests.integration.userdata.test_erase import (
    test_each_step_is_bounded_and_a_transaction_of_its_own,
    test_others_append_while_a_user_is_erased,
    test_what_is_written_meanwhile_is_erased_too,
)
from tests.integration.userdata.test_export import (
    test_it_goes_on_beyond_a_page,
    test_what_is_written_later_is_not_in_it,
)
from tests.integration.userdata.test_import import (
    test_an_import_that_was_interrupted_goes_on,
    test_cancelled_in_the_middle_it_goes_on,
    test_keys_still_hold_after_an_import,
    test_order_is_kept,
    test_what_the_database_refuses_is_named_by_its_line,
)
from tests.walking.test_user_data import (
    test_every_row_comes_back_as_it_was,
    test_every_row_is_erased_and_nobody_elses,
    test_every_row_refers_to_what_it_referred_to,
)

__all__ = [
    "test_an_import_that_was_interrupted_goes_on",
    "test_cancelled_in_the_middle_it_goes_on",
    "test_each_step_is_bounded_and_a_transaction_of_its_own",
    "test_every_row_comes_back_as_it_was",
    "test_every_row_is_erased_and_nobody_elses",
    "test_every_row_refers_to_what_it_referred_to",
    "test_it_goes_on_beyond_a_page",
    "test_keys_still_hold_after_an_import",
    "test_order_is_kept",
    "test_others_append_while_a_user_is_erased",
    "test_what_is_written_later_is_not_in_it",
    "test_what_is_written_meanwhile_is_erased_too",
    "test_what_the_database_refuses_is_named_by_its_line",
]
