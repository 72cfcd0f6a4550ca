"""Causal tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.errors import InvalidInputError
from app.db.replicas.tokens import MAX_CHARACTERS, Seen, read, write, write_doubt

NUMBERS = st.integers(0, 2**63 - 1)
XIDS = st.lists(st.integers(0, 2**63 - 1), max_size=16).map(tuple)


@given(NUMBERS, XIDS)
def test_a_token_says_what_was_written_and_is_short(server: int, xids: tuple[int, ...]) -> None:
    """It fits into a header."""
    token = write(server, xids)
    assert read(token) == Seen(server, xids)
    assert len(token) <= MAX_CHARACTERS < 200


@given(st.floats(-1, 1e9))
def test_a_doubt_is_rounded_up_and_bounded(seconds: float) -> None:
    """A token that is kept for long does not keep reads on the primary for as long."""
    server, xids, doubt = read(write_doubt(seconds))
    assert (server, xids) == (None, ())
    assert doubt is not None
    assert min(seconds, 3600) <= doubt <= 3600


@given(st.text() | st.text("ABCDEFGHabcdefgh0123456789-_", max_size=200))
def test_what_was_never_issued_is_refused_or_means_something(token: str) -> None:
    """Nothing else is raised; what is taken for a token is one that could have been issued."""
    try:
        server, xids, doubt = read(token)
    except InvalidInputError:
        return
    assert token == (write(server, xids) if server is not None else write_doubt(doubt or 0))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "A",
        "AQ",
        "Af//",
        "Af__=",
        " Af__",
        "Af__\n",
        "Av__",
        "Af__AAAA",
        "Af__",
        "AQAAAAAAAAAAAAAB",
        "ä",
        "A" * 10_000,
    ],
)
def test_a_damaged_token_is_refused(token: str) -> None:
    """Of another version, cut, padded, in another alphabet, or with what cannot be."""
    with pytest.raises(InvalidInputError, match="the causal token"):
        read(token)
