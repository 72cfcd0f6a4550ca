"""Revisions in a line, in two branches, and merged."""

from app.doctor.findings import Level
from app.doctor.schema.lineage import Lineage
from app.doctor.schema.revision import _compared

BEFORE = Lineage({"a": frozenset("a"), "b": frozenset("ab"), "c": frozenset("ac")}, frozenset("bc"))
AFTER = Lineage({**BEFORE.ancestors, "m": frozenset("abcm")}, frozenset("m"))


def test_several_heads_before_they_are_merged() -> None:
    """A database at both works, but a next revision has no single parent; at only one, the other is missing."""
    both = _compared(["b", "c"], BEFORE)
    assert (both.level, both.advice) == (Level.WARNING, "Run: alembic merge heads; then: python -m app migrate")
    one = _compared(["b"], BEFORE)
    assert (one.level, one.found) == (
        Level.ERROR,
        "at b: the revisions have several heads, b, c; no migration runs before a merge",
    )
    assert one.advice == both.advice


def test_several_heads_after_they_were_merged() -> None:
    """The merge alone is right; before it a migration does the rest; a head that it contains must not be there too."""
    assert _compared(["m"], AFTER).level is Level.OK
    assert _compared(["b", "c"], AFTER).found == "at b, c, 1 behind head m"
    twice = _compared(["m", "b"], AFTER)
    assert twice.level is Level.ERROR
    assert twice.advice == "delete from alembic_version where version_num in ('b');"


def test_a_revision_of_newer_code_is_told_first() -> None:
    """What a newer revision contains is unknown."""
    assert "newer code" in _compared(["x", "a"], AFTER).found
