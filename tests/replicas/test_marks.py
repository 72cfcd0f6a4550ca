"""What is remembered of who wrote what."""

import time
from collections.abc import Iterator

import pytest

from app.db import DatabaseSettings
from app.db.errors import InvalidInputError
from app.db.replicas.mark import Stamp
from app.db.replicas.tokens import MAX_CHARACTERS, Seen, read
from app.db.replicas.tokens import write as token_of
from app.db.replicas.writes import EVERYBODY, Writes

BARRIER = 10
SERVER = 1_700_000_000_000_000
USER = "ada"


class Known(Writes):
    """Writes that count how often a barrier is asked for."""

    def __init__(self, sticky_seconds: float = 0) -> None:
        settings = DatabaseSettings(url="postgresql://ada@host/app", replica_sticky_seconds=sticky_seconds)
        super().__init__(settings)
        self.asked = 0
        self.ask_for_barrier = self._ask

    def _ask(self) -> None:
        self.asked += 1

    def xids(self, user_id: str = USER) -> set[int] | None:
        """Return the transactions that a read of the user must see; None if it belongs on the primary."""
        needed = self.needed(user_id)
        return None if needed is None else {xid for mark in needed.marks for xid in mark.xids}

    def passed(self, xid: int, *, began: float | None = None, server: int = SERVER) -> None:
        """Note a barrier, which begins now if nothing else is said."""
        self.passed_barrier(Stamp(xid, server), began=time.monotonic() if began is None else began)

    def written(self, user_id: str | None, *xids: int) -> None:
        """Note writes that ran at the same time."""
        began = time.monotonic()
        for xid in xids:
            self.note(user_id, Stamp(xid, SERVER), began=began)


@pytest.fixture
def writes() -> Iterator[Known]:
    """Give what is known after the first barrier."""
    known = Known()
    known.passed(BARRIER)
    yield known
    assert known.asked == 0, "a barrier was asked for that this test does not expect"


def test_before_the_first_barrier_nobody_reads_from_a_replica() -> None:
    """What was written before the process began is not known to it."""
    known = Known()
    assert known.xids() is None
    assert known.asked == 1
    known.passed(BARRIER, began=0.0)  # it began before the process did
    assert known.xids() is None
    known.passed(BARRIER)
    assert known.xids() == {BARRIER}


def test_of_writes_one_after_the_other_the_last_is_enough(writes: Known) -> None:
    """It was sent after the other's answer, so it was committed after it."""
    writes.written(USER, 20)
    writes.written(USER, 21)
    assert writes.xids() == {BARRIER, 21}
    assert writes.xids("bob") == {BARRIER}


def test_of_writes_at_the_same_time_each_must_be_there(writes: Known) -> None:
    """The one with the smaller id may be committed later."""
    writes.written(USER, 21, 20)
    assert writes.xids() == {BARRIER, 20, 21}
    writes.written(USER, 22)
    assert writes.xids() == {BARRIER, 22}


def test_what_may_be_anybodys_is_everybodys(writes: Known) -> None:
    """A plain statement, say."""
    writes.written(EVERYBODY, 30)
    assert writes.xids() == {30}
    assert writes.xids("bob") == {30}


def test_too_many_at_the_same_time_become_one_barrier() -> None:
    """So that no read carries a long list."""
    known = Known()
    known.passed(BARRIER)
    known.written(USER, *range(20, 40))
    assert known.xids() is None
    assert known.asked == 1
    assert known.xids("bob") == {BARRIER}
    known.passed(50)
    assert known.xids() == {BARRIER, 50}


def test_a_write_in_flight_is_covered_by_no_barrier_of_now(writes: Known) -> None:
    """Its connection broke; it may be committed within a minute. A later write does not end the doubt."""
    writes.doubt(USER, in_flight=True)
    writes.written(USER, 60)
    writes.passed(50)
    assert writes.xids() is None
    writes.passed(70, began=time.monotonic() + 61)
    assert writes.xids() == {BARRIER, 70}


def test_a_write_without_an_id_waits_for_a_barrier() -> None:
    """One that begins afterwards."""
    known = Known()
    known.passed(BARRIER)
    began = time.monotonic()
    known.doubt(USER)
    known.passed(49, began=began)
    assert known.xids() is None
    known.passed(50)
    assert known.xids() == {BARRIER, 50}


def test_a_user_who_has_just_written_reads_from_the_primary() -> None:
    """For as long as the settings say."""
    known = Known(sticky_seconds=1000)
    known.passed(BARRIER)
    known.written(USER, 20)
    assert known.xids() is None
    assert known.xids("bob") == {BARRIER}
    assert known.asked == 0


def test_many_users_are_replaced_by_one_barrier_and_none_is_forgotten() -> None:
    """Nobody's write is lost sight of; and without a barrier the memory is bounded all the same."""
    known = Known()
    known.passed(BARRIER)
    for number in range(10_001):
        known.written(f"user-{number}", 100 + number)
    assert known.asked == 1
    assert known.xids("user-0") == {BARRIER, 100}
    known.passed(99_999)
    assert known.xids("user-0") == known.xids("user-10000") == known.xids("nobody") == {99_999}
    for number in range(20_001):
        known.written(f"user-{number}", 200_000 + number)
    assert known.xids("user-0") is None
    assert known.xids("nobody") is None


def test_a_token_carries_what_must_be_seen(writes: Known) -> None:
    """To another process, which keeps what it knows itself."""
    writes.written(USER, 20)
    assert read(writes.token(USER)) == Seen(SERVER, (20,))
    other = Known()
    other.passed(11)
    other.accept(USER, writes.token(USER))
    assert other.xids() == {11, 20}
    assert other.xids("bob") == {11}
    writes.written(EVERYBODY, 30)
    other.accept(USER, writes.token(USER))
    assert other.xids() == {11, 20, 30}
    other.written(USER, 40)
    assert other.xids() == {11, 40}


def test_a_token_carries_a_doubt(writes: Known) -> None:
    """Of somebody who wrote nothing it carries what concerns everybody; of a write in flight, how long it may last."""
    assert read(writes.token("bob")) == Seen(SERVER, (BARRIER,))
    writes.doubt(USER, in_flight=True)
    _, xids, doubt = read(writes.token(USER))
    assert (xids, doubt is not None and 59 < doubt <= 60) == ((), True)
    other = Known()
    other.passed(11)
    other.accept(USER, writes.token(USER))
    assert other.xids() is None
    other.passed(12, began=time.monotonic() + 61)
    assert other.xids() == {11, 12}


def test_forged_tokens_concern_their_user_alone() -> None:
    """However many: the memory and the tokens stay small, and one barrier replaces them."""
    known = Known()
    known.passed(BARRIER)
    for xid in range(2**62, 2**62 + 100):
        known.accept(USER, token_of(SERVER, (xid,)))
        assert len(known.token(USER)) <= MAX_CHARACTERS
    assert known.xids("bob") == {BARRIER}
    assert known.xids() is None
    known.passed(50)
    assert known.xids() == {BARRIER, 50}


def test_a_token_that_says_nothing_new_changes_nothing() -> None:
    """A client sends its last one with every request; that does not keep its reads on the primary."""
    known = Known(sticky_seconds=0)
    known.passed(BARRIER)
    known.written(USER, 20)
    before = known.needed(USER)
    known.accept(USER, known.token(USER))
    known.accept(USER, token_of(SERVER, ()))
    assert known.needed(USER) == before
    assert before is not None


def test_a_damaged_token_changes_nothing(writes: Known) -> None:
    """It is refused."""
    before = writes.needed(USER)
    with pytest.raises(InvalidInputError):
        writes.accept(USER, "damaged")
    assert writes.needed(USER) == before


def test_after_a_failover_no_id_is_trusted_until_a_barrier_of_the_new_server(writes: Known) -> None:
    """Another server's transactions have the same ids; it may never have had the last ones of the old."""
    writes.written(USER, 20)
    writes.note("bob", Stamp(5, SERVER + 1), began=time.monotonic())
    assert writes.xids() is None
    assert writes.asked == 1
    assert read(writes.token(USER)).doubt_seconds is not None
    writes.passed(7, server=SERVER + 1)
    assert writes.xids() == writes.xids("nobody") == {7}
    assert writes.xids("bob") == {5, 7}
    writes.asked = 0


def test_a_write_in_flight_stays_one_over_a_failover(writes: Known) -> None:
    """A barrier of the new server that comes too early does not cover it."""
    writes.doubt(USER, in_flight=True)
    writes.passed(7, server=SERVER + 1)
    writes.passed(8, server=SERVER + 1)
    assert writes.xids("bob") == {8}
    assert writes.xids(USER) is None
    writes.asked = 0


def test_a_token_of_another_server_asks_for_one_barrier(writes: Known) -> None:
    """Its client sends it with every request, from before a failover; that does not keep its reads on the primary."""
    foreign = token_of(SERVER - 1, (2**40,))
    writes.accept(USER, foreign)
    assert writes.xids() is None
    assert writes.xids("bob") == {BARRIER}
    writes.passed(11)
    writes.asked = 0
    writes.accept(USER, foreign)
    assert writes.xids() == {BARRIER, 11}
    writes.accept(USER, token_of(SERVER - 2, (3,)))
    assert writes.xids() is None
    writes.asked = 0
