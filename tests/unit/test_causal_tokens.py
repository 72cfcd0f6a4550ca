"""Causal tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.errors import InvalidInputError
from app.db.replicas.tokens import MAX_CHARACTERS, read, write

XIDS = st.lists(st.integers(0, 2**63 - 1), max_size=16).map(tuple)


@given(XIDS)
def test_a_token_says_what_was_written_and_is_short(xids: tuple[int, ...]) -> None:
    """It fits into a header."""
    token = write(xids)
    assert read(token) == (xids, None)
    assert len(token) <= MAX_CHARACTERS < 200


@given(XIDS, st.floats(-1, 1e9))
def test_a_doubt_is_rounded_up_and_bounded(xids: tuple[int, ...], seconds: float) -> None:
    """A token that is kept for long does not keep reads on the primary for as long."""
    found, doubt = read(write(xids, doubt_seconds=seconds))
    assert found == ()
    assert doubt is not None
    assert min(seconds, 3600) <= doubt <= 3600


@given(st.text() | st.text("ABCDEFGHabcdefgh0123456789-_", max_size=200))
def test_what_was_never_issued_is_refused_or_means_something(token: str) -> None:
    """Nothing else is raised; what is taken for a token is one that could have been issued."""
    try:
        xids, doubt = read(token)
    except InvalidInputError:
        return
    assert write(xids, doubt_seconds=doubt) == token


@pytest.mark.parametrize(
    "token",
    ["", "A", "AQ", "Af//", "Af__=", " Af__", "Af__\n", "Av__", "Af__AAAA", "AQAAAAAAAAAAAAAB", "ä", "A" * 10_000],
)
def test_a_damaged_token_is_refused(token: str) -> None:
    """Of another version, cut, padded, in another alphabet, or with what cannot be."""
    with pytest.raises(InvalidInputError, match="the causal token"):
        read(token)
