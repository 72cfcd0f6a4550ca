"""What a history holds, on each form of a database."""

from tests.integration.test_budget import test_the_new_message_counts_to_the_budget_of_its_history
from tests.integration.test_context import test_a_history_is_what_fits_and_cuts_no_turn_where_characters_bound_it

__all__ = [
    "test_a_history_is_what_fits_and_cuts_no_turn_where_characters_bound_it",
    "test_the_new_message_counts_to_the_budget_of_its_history",
]
