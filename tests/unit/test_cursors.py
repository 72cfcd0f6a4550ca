"""A cursor is accepted only for the list, the filter and the user that it was made for."""

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.errors import InvalidCursorError, InvalidInputError
from app.repositories.cursor import CursorFormat
from app.repositories.page import Page

FORMAT = CursorFormat("<qq")
SCOPE = ("task", "ada", None)
BIGINT = st.integers(min_value=-(2**63), max_value=2**63 - 1)
unstored = settings(database=None, deadline=None)


@unstored
@given(st.tuples(BIGINT, BIGINT), st.text(max_size=255), st.sampled_from([None, True, False]))
def test_a_cursor_is_read_as_it_was_written(place: tuple[int, int], user_id: str, completed: object) -> None:
    """The test takes any numbers and any user."""
    scope = ("task", user_id, completed)
    assert FORMAT.read(FORMAT.write(place, *scope), *scope) == place


@unstored
@given(BIGINT, BIGINT)
def test_a_cursor_goes_into_a_url_as_it_is(first: int, second: int) -> None:
    """No character of it needs escaping."""
    assert FORMAT.write((first, second), *SCOPE).replace("-", "").replace("_", "").isalnum()


@unstored
@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_an_invented_cursor_is_refused(cursor: Any) -> None:
    """The test takes random text, and random bytes in the right alphabet."""
    with pytest.raises(InvalidCursorError):
        FORMAT.read(cursor, *SCOPE)


@unstored
@given(BIGINT, st.integers(min_value=0, max_value=8 * 24 - 1))
def test_a_flipped_bit_is_refused(place: int, bit: int) -> None:
    """The bit may be in the numbers or in the checksum."""
    raw = bytearray(base64.urlsafe_b64decode(FORMAT.write((place, place), *SCOPE)))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidCursorError):
        FORMAT.read(base64.urlsafe_b64encode(raw).decode(), *SCOPE)


@unstored
@given(BIGINT, st.data())
def test_a_cursor_cut_or_lengthened_is_refused(place: int, data: st.DataObject) -> None:
    """Padding, which the decoder itself would ignore, is refused, too."""
    cursor = FORMAT.write((place, place), *SCOPE)
    shorter = cursor[: data.draw(st.integers(0, len(cursor) - 1))]
    for wrong in (shorter, cursor + data.draw(st.sampled_from(["=", "A", "\n", " ", "\x00"])), "A" + cursor):
        with pytest.raises(InvalidCursorError):
            FORMAT.read(wrong, *SCOPE)


@pytest.mark.parametrize(
    "scope",
    [
        ("task", "eve", None),
        ("task", "ada", True),
        ("task", "ada", False),
        ("conversation", "ada"),
        ("message", "ada", 1),
    ],
    ids=["other user", "other filter", "opposite filter", "other list", "a conversation"],
)
def test_a_foreign_cursor_is_refused(scope: tuple[object, ...]) -> None:
    """The checksum covers the list, its user and its filter."""
    with pytest.raises(InvalidCursorError, match="another list, filter or user"):
        FORMAT.read(FORMAT.write((1, 2), *SCOPE), *scope)


@pytest.mark.parametrize("cursor", [7, b"AAAA", None, "\ud800", "é"])
def test_what_is_no_cursor_at_all_is_refused(cursor: Any) -> None:
    """A caller that passes on unchecked input gets the same error, an invalid input."""
    with pytest.raises(InvalidCursorError) as refused:
        FORMAT.read(cursor, *SCOPE)
    assert isinstance(refused.value, InvalidInputError)


def test_a_page_says_whether_more_follows() -> None:
    """Then it has a cursor to go on from."""
    page = Page.of([1, 2], str, more=True)
    assert (page.items, page.next_cursor, page.start_cursor, page.end_cursor) == ([1, 2], "2", "1", "2")


def test_a_page_read_backwards_is_shown_in_order() -> None:
    """`next_cursor` goes further back."""
    page = Page.of([3, 2], str, more=True, backwards=True)
    assert (page.items, page.next_cursor, page.start_cursor, page.end_cursor) == ([2, 3], "2", "2", "3")


def test_the_last_page_still_has_an_end_to_poll_from() -> None:
    """`next_cursor` is None, `end_cursor` is not."""
    assert Page.of([1], str, more=False) == Page([1], None, "1", "1")
    assert Page.of([], str, more=False) == Page([], None, None, None)


def test_a_page_without_items_stays_where_it_was_asked_for() -> None:
    """A poll with `after=page.end_cursor` does not start again from the beginning when nothing is new."""
    assert Page.of([], str, more=False, asked="7") == Page([], None, None, "7")
    assert Page.of([], str, more=False, asked="7", backwards=True) == Page([], None, "7", None)
