"""The progress of a run says how much is left."""

from benchmarks.clock import Clock


class _Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_what_is_left_follows_the_pace_of_this_run() -> None:
    """Twice as slow as the last run so far: what remains takes twice as long too."""
    now = _Time()
    clock = Clock({"import": 10.0, "rounds": 30.0, "growth": 20.0}, now=now)
    clock.enter("import")
    assert clock.seconds_left() == 60
    now.seconds += 20
    assert clock.enter("rounds")
    assert clock.seconds_left() == 100
    now.seconds += 20
    assert not clock.enter("rounds")
    assert clock.seconds_left() == 80
    assert str(clock) == "  40 s, about  80 s left"


def test_a_chapter_that_takes_longer_than_expected_does_not_count_below_zero() -> None:
    """The chapters after it are still to come."""
    now = _Time()
    clock = Clock({"import": 10.0, "rounds": 30.0}, now=now)
    clock.enter("import")
    now.seconds += 50
    assert clock.seconds_left() == 30


def test_without_an_earlier_run_only_the_time_taken_is_shown() -> None:
    """An unknown rest is not guessed."""
    now = _Time()
    clock = Clock({}, now=now)
    clock.enter("import")
    now.seconds += 7
    assert str(clock) == "   7 s"


def test_the_chapters_of_a_run_are_what_the_next_one_expects() -> None:
    """Each with its seconds, those entered twice added up."""
    now = _Time()
    clock = Clock({}, now=now)
    for chapter, seconds in (("import", 3), ("rounds", 5), ("import", 2)):
        clock.enter(chapter)
        now.seconds += seconds
    assert clock.chapters() == {"import": 5, "rounds": 5}
    assert clock.seconds == 10
