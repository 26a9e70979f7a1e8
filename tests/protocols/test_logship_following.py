"""A replica of log shipping: what it takes for its primary's history, and what its primary makes of one that holds nothing any more."""

from quorate.protocols.core import NO_ORIGIN, Configuration, Entry, Kind, Member, PromoteByHand, Reason, Snapshot, origin
from quorate.protocols.log import pack
from quorate.protocols.logship import Logship, LogshipOptions, logship
from quorate.protocols.logship.messages import Mismatch, Ship
from tests.contracts.bench import Bench

MEMBERS = Configuration(tuple(Member(f"n{number}", number) for number in (1, 2, 3)))


def replica() -> Logship:
    """n2, which n1 has shipped three entries in its first generation, and a fourth in its second."""
    core = Logship("n2", MEMBERS, LogshipOptions(), None, None, [])
    first = [Entry(index, 1001, NO_ORIGIN, Kind.NOOP, b"") for index in (1, 2, 3)]
    core.receive("n1", Ship(1001, 0, 0, 3, 1, pack(first)))
    core.receive("n1", Ship(3001, 3, 1001, 4, 1, pack([Entry(4, 3001, NO_ORIGIN, Kind.NOOP, b"")])))
    core.take()
    return core


def test_a_snapshot_that_its_primary_began_in_an_earlier_tenure_is_refused() -> None:
    """Seed 20349: 1. n1 streams a snapshot, and is replaced. 2. It is primary again, and ships. 3. It arrives, from the primary."""
    core = replica()
    core.received("n1", Snapshot("late", 9, 1001, MEMBERS))

    assert core.take() is None
    assert (4, 4) == (core.status.last, core.status.commit)


def test_a_snapshot_of_this_tenure_is_taken() -> None:
    core = replica()
    snapshot = Snapshot("new", 9, 3001, MEMBERS)
    core.received("n1", snapshot)
    effects = core.take()

    assert effects is not None
    assert snapshot == effects.snapshot
    assert not effects.rollback


def test_who_has_begun_anew_is_shipped_everything_although_it_had_acknowledged_it() -> None:
    bench = Bench(logship, LogshipOptions(heartbeat_ticks=2, silence_ticks=20), 3)
    primary = bench.elect()
    for number in range(3):
        bench.propose(primary, b"%d" % number)
    primary.running.receive("n3", Mismatch(1001, 3, 0, 1, 1))
    effects = primary.running.take()

    assert effects is not None
    assert [("n3", 0)] == [(send.to, send.message.previous_index) for send in effects.sends_after_sync if isinstance(send.message, Ship)]


def test_who_holds_nothing_any_more_is_not_promoted() -> None:
    """As primary it would have all others drop everything."""
    core = Logship("n2", MEMBERS, LogshipOptions(), None, None, [])
    core.receive("n1", Ship(1001, 5, 1001, 0, 1, b""))
    token = origin(2, 1, 1)
    core.reconfigure(PromoteByHand("n2"), token)
    effects = core.take()

    assert effects is not None
    assert [(token, Reason.BAD_CHANGE)] == [(refused.token, refused.reason) for refused in effects.refused]
    assert "holds nothing yet" in effects.refused[0].detail
