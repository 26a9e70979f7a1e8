"""Fast Paxos: its quorums, what may be picked from votes, and what an acceptor votes for. Lamport, "Fast Paxos" (2006)."""

from random import Random

import pytest

from quorate.protocols.core import FAST, Configuration, Entry, Kind, Member, Message, origin
from quorate.protocols.fastpaxos import FastPaxos, FastPaxosOptions, FastPromised, FastRules, fastpaxos
from quorate.protocols.fastpaxos.messages import Any, Close, Closed, Values, Voted
from quorate.protocols.fastpaxos.picking import pick
from quorate.protocols.fastpaxos.quorums import classic, fast, intersect
from quorate.protocols.fastpaxos.votes import CLASSIC, Value, Vote
from quorate.protocols.log import pack, unpack
from quorate.protocols.multipaxos.messages import Accept

MEMBERS = Configuration(tuple(Member(f"n{number}", number) for number in range(1, 4)))
OPTIONS = FastPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=8, fast_window=8)
BALLOT = 257
"""n1's first."""
V, W = origin(2, 1, 1), origin(3, 1, 1)


def acceptor(promise: FastPromised | None = None, entries: list[Entry] | None = None) -> FastPaxos:
    return fastpaxos("n2", MEMBERS, OPTIONS, Random(1), 1, promise, None, entries or [])


def value(origin: int, data: bytes = b"x") -> Entry:
    return Entry(0, BALLOT, origin, Kind.COMMAND, data)


def values(*origins: int, stage: int = 2, first: int = 1) -> Values:
    return Values(BALLOT, stage, first, 100, pack([value(one) for one in origins]))


def told(core: FastPaxos) -> list[Message]:
    """What it tells n1 when its batch is durable."""
    effects = core.take()
    if effects is None:
        return []
    core.synced(effects.serial)
    return [send.message for send in effects.sends_after_sync if send.to == "n1"]


# --- quorums (2.2) ---


def test_fast_quorums_are_three_quarters() -> None:
    assert [1, 2, 3, 3, 4, 5, 6] == [fast(count) for count in range(1, 8)]


@pytest.mark.parametrize("count", range(1, 60))
def test_two_fast_quorums_and_a_classic_one_meet_and_smaller_ones_would_not(count: int) -> None:
    assert intersect(count, classic(count), fast(count))
    assert not intersect(count, classic(count), fast(count) - 1)


# --- picking (2.2, O4) ---

ROUND = (BALLOT, 2)
NOWHERE: set[int] = set()


def fast_votes(*slots_of: dict[int, int]) -> dict[str, dict[int, Vote]]:
    """By acceptor and slot the origin that it voted for in the one fast round."""
    return {f"n{at}": {slot: Vote(ROUND, (BALLOT, one)) for slot, one in slots.items()} for at, slots in enumerate(slots_of, 1)}


def picked(reports: dict[str, dict[int, Vote]], count: int, last: int = 1, taken: set[int] = NOWHERE) -> dict[int, Value]:
    return pick(range(1, last + 1), reports, count, taken, FastRules())


def test_what_a_fast_quorum_may_have_chosen_is_picked() -> None:
    """Of five acceptors three answer; the other two may have voted as n1 and n2 did, and four are a fast quorum."""
    assert {1: (BALLOT, W)} == picked(fast_votes({1: W}, {1: W}, {1: V}), 5)


def test_of_votes_in_a_lower_round_nothing_is_picked() -> None:
    reports = fast_votes({1: V}, {1: V}, {})
    reports["n3"] = {1: Vote((BALLOT, CLASSIC), (BALLOT, W))}

    assert {1: (BALLOT, W)} == picked(reports, 5)


def test_after_a_collision_each_value_gets_the_slot_where_most_voted_for_it() -> None:
    reports = fast_votes({1: V, 2: W}, {1: W, 2: V}, {1: V, 2: W})

    assert {1: (BALLOT, V), 2: (BALLOT, W)} == picked(reports, 3, last=2)


def test_a_value_that_may_win_elsewhere_is_not_taken_freely() -> None:
    """Of seven acceptors, six a fast quorum: one vote for each of four leaves each of them to six others."""
    assert {} == picked(fast_votes({1: 11}, {1: 12}, {1: 13}, {1: 14}), 7)


def test_an_origin_that_has_a_slot_gets_no_other() -> None:
    assert {} == picked(fast_votes({1: V}, {1: V}), 3, taken={V})


def test_of_an_origin_in_two_slots_the_higher_round_counts() -> None:
    reports = fast_votes({1: V}, {1: V})
    reports["n2"][2] = Vote((BALLOT + 256, CLASSIC), (BALLOT + 256, V))

    assert {2: (BALLOT + 256, V)} == picked(reports, 3, last=2)


# --- acceptors ---


def test_values_get_slots_in_order_of_arrival_and_each_origin_one() -> None:
    core = acceptor()
    core.receive("n1", Any(BALLOT, 2, 1, 100))
    core.receive("n3", values(W))
    core.receive("n1", values(V, W))

    assert [Voted(BALLOT, 2, 1, (W, V))] == told(core)


def test_no_vote_before_any() -> None:
    core = acceptor()
    core.receive("n3", values(W))

    assert [] == told(core)


def test_who_sends_values_has_heard_any() -> None:
    core = acceptor(FastPromised(BALLOT, 0, 2, 0))
    core.receive("n3", values(W))

    assert [Voted(BALLOT, 2, 1, (W,))] == told(core)


def test_a_closed_round_gets_no_more_votes_and_all_that_it_got_are_reported() -> None:
    core = acceptor()
    core.receive("n1", Any(BALLOT, 2, 1, 100))
    core.receive("n3", values(W))
    told(core)
    core.receive("n1", Close(BALLOT, 2, 1))
    core.receive("n3", values(V))
    (report,) = told(core)

    assert isinstance(report, Closed)
    assert [(1, W)] == [(entry.index, entry.origin) for entry in unpack(report.votes)]
    assert 1 == core.state.log.last


def test_after_a_restart_there_is_no_vote_in_the_same_fast_round() -> None:
    core = acceptor(FastPromised(BALLOT, 0, 2, 2))
    core.receive("n1", Any(BALLOT, 2, 1, 100))
    core.receive("n3", values(V))

    assert [] == told(core)

    core.receive("n1", Any(BALLOT, 4, 1, 100))
    core.receive("n3", values(V, stage=4))

    assert [Voted(BALLOT, 4, 1, (V,))] == told(core)


def test_a_classic_vote_is_not_replaced_by_one_of_a_fast_round_of_its_ballot() -> None:
    """Seed 203: an acceptor had recovered by itself in a slot for which the leader's proposal had come in the same turn."""
    core = acceptor()
    core.receive("n1", Accept(BALLOT, 0, 1, pack([Entry(1, BALLOT, V, Kind.COMMAND, b"x")])))
    core.receive("n1", Any(BALLOT, 2, 1, 100))
    core.receive("n3", values(W))
    told(core)
    votes = [(entry.index, entry.origin, bool(entry.kind & FAST)) for entry in core.state.log.entries.values()]

    assert [(1, V, False), (2, W, True)] == votes


def test_malformed_values_are_noted_and_change_nothing() -> None:
    core = acceptor()
    core.receive("n1", Any(BALLOT, 2, 1, 100))
    told(core)
    core.receive("n3", Values(BALLOT, 2, 1, 100, b"cut"))
    core.receive("n3", Values(BALLOT, 2, 1, 100, pack([Entry(0, BALLOT, 0, Kind.NOOP, b"")])))
    effects = core.take()

    assert effects is not None
    assert ["values_malformed"] * 2 == [note.kind for note in effects.notes]
    assert 0 == core.state.log.last


# --- bad input ---


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fast_window \(9\) must not exceed alpha \(8\)"):
        FastPaxosOptions(alpha=8, fast_window=9)


def test_the_log_of_another_engine_is_refused() -> None:
    with pytest.raises(TypeError, match="this log was written by another engine: its promise is a Accept"):
        fastpaxos("n1", MEMBERS, OPTIONS, Random(1), 1, Accept(1, 1, 1, b""), None, [])
