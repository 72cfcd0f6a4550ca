"""docs/neon.md describes what the code does."""

from tests.support.neon_page import PAGE, with_table
from tests.support.neon_texts import REFUSALS


def test_the_table_has_every_text_and_is_up_to_date() -> None:
    """`make faults` writes it."""
    page = PAGE.read_text()
    assert page == with_table(page), "docs/neon.md is out of date: make faults"
    rows = [line for line in page.splitlines() if "Error`" in line and line.startswith("| ")]
    assert len(rows) == len(REFUSALS)
