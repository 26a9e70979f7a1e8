"""Phases 1 and 2, message by message: what an acceptor promises, reports and votes for, and what a proposer makes of it.

"Paxos Made Simple" (2001), 2.2 and 3.
"""

from random import Random

import pytest

from quorate.protocols.core import Configuration, Effects, Entry, Kind, Member, Message, Reason, Snapshot, Transfer, proposed_again
from quorate.protocols.log import pack, unpack
from quorate.protocols.multipaxos import MultiPaxos, MultiPaxosOptions, Promised, multipaxos
from quorate.protocols.multipaxos.messages import (
    Accept,
    Accepted,
    Ask,
    AskReply,
    Chosen,
    Heartbeat,
    HeartbeatReply,
    Preempted,
    Prepare,
    Promise,
)

MEMBERS = Configuration(tuple(Member(f"n{number}", number) for number in (1, 2, 3)))
OPTIONS = MultiPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=4, accept_bytes_max=100)
N1, N2, N3 = 257, 258, 259
"""The ballots of the first round."""


def node(
    name: str = "n1", promise: Promised | None = None, entries: list[Entry] | None = None, snapshot: Snapshot | None = None
) -> MultiPaxos:
    made = multipaxos(name, MEMBERS, OPTIONS, Random(1), 1, promise, snapshot, entries or [])
    made.tick(OPTIONS.promise_ticks)  # a restarted acceptor promises nobody before
    return made


def vote(slot: int, ballot: int, data: bytes = b"x") -> Entry:
    return Entry(slot, ballot, 7, Kind.COMMAND, data)


def turn(core: MultiPaxos) -> tuple[Effects, list[tuple[str, Message]]]:
    """One batch, synced at once: what it was, and what left before or after the sync."""
    effects = core.take() or Effects(0)
    core.synced(effects.serial)
    return effects, [(send.to, send.message) for send in effects.sends + effects.sends_after_sync]


def leader(entries: list[Entry] | None = None, promise: Promised | None = None, report: Promise | None = None) -> MultiPaxos:
    """n1, which n2 has promised its ballot."""
    core = node("n1", promise, entries)
    while not (core.take() or Effects(0)).sends:
        core.tick()
    core.receive("n2", AskReply(0, core.state.ballot, True))
    turn(core)
    ballot = core.state.ballot
    core.receive("n2", report or Promise(ballot, core.state.commit + 1, 0, 0, 0, b""))
    return core


# --- the acceptor ---


def test_a_promise_is_durable_before_it_is_sent() -> None:
    core = node("n2")
    core.receive("n1", Prepare(N1, 1, False))
    effects = core.take()

    assert effects is not None
    assert Promised(N1, 0, 2) == effects.promise
    assert [] == effects.sends
    assert [Promise(N1, 1, 0, 0, 0, b"")] == [send.message for send in effects.sends_after_sync]


def test_nothing_is_promised_or_voted_for_below_a_promise() -> None:
    core = node("n2", Promised(N3, 0, 0))
    core.receive("n1", Prepare(N1, 1, False))
    core.receive("n1", Accept(N1, 0, 1, pack([vote(1, N1)])))
    core.receive("n1", Heartbeat(N1, 0, 1, 2))
    effects, sent = turn(core)

    assert [] == effects.entries
    assert [("n1", Preempted(N3, N1))] * 3 == sent


def test_a_promise_survives_a_restart_and_so_do_the_votes() -> None:
    core = node("n2", Promised(N1, 0, 0), [vote(1, N1, b"a"), vote(3, N1, b"c")])
    core.receive("n3", Prepare(N3, 1, False))
    _, sent = turn(core)

    assert [("n3", Promise(N3, 1, 3, 3, 0, pack([vote(1, N1, b"a"), vote(3, N1, b"c")])))] == sent


def test_a_long_report_comes_in_parts() -> None:
    core = node("n2", Promised(N1, 0, 0), [vote(slot, N1, b"x" * 30) for slot in (1, 2, 3)])
    core.receive("n3", Prepare(N3, 1, False))
    _, (first,) = turn(core)
    core.receive("n3", Prepare(N3, 2, False))
    _, (second,) = turn(core)
    parts = [message for _, message in (first, second) if isinstance(message, Promise)]

    assert [(1, 1, 3), (2, 2, 3)] == [(part.first, part.through, part.last) for part in parts]
    assert [[1], [2]] == [[entry.index for entry in unpack(part.votes)] for part in parts]


def test_who_dropped_what_the_other_lacks_promises_nothing() -> None:
    core = node("n2", Promised(N1, 5, 0), snapshot=Snapshot("s", 5, N1, MEMBERS))
    core.receive("n3", Prepare(N3, 4, False))
    _, sent = turn(core)

    assert [("n3", Preempted(N1, N3))] == sent
    assert N1 == core.state.ballot


def test_who_asks_and_lacks_what_was_dropped_is_streamed_the_snapshot_once() -> None:
    """There may be no leader to send it, and nobody else who may lead."""
    snapshot = Snapshot("s", 5, N1, MEMBERS)
    core = node("n2", Promised(N1, 5, 0), snapshot=snapshot)
    core.receive("n3", Ask(N1, 3))
    core.receive("n3", Ask(N1, 3))
    effects, sent = turn(core)
    core.transferred("n3", snapshot, False)
    core.receive("n3", Ask(N1, 3))
    core.tick(1)
    at_once, _ = turn(core)
    for _ in range(OPTIONS.transfer_retry_ticks):
        core.tick(1)
    core.receive("n3", Ask(N1, 3))
    later = core.take()

    assert [("n3", AskReply(N1, N1, False))] * 2 == sent
    assert [Transfer("n3", snapshot)] == effects.transfers
    assert [] == at_once.transfers
    assert later is not None
    assert [Transfer("n3", snapshot)] == later.transfers


def test_a_node_on_a_new_disk_is_none_of_the_acceptors_that_its_name_stood_for() -> None:
    """1. n2, which came back on an empty disk, learns a configuration in which another disk of n2 alone decides. 2. No leader is heard any
    more: it asks nobody and prepares nothing. 3. It learns its own number, and the configuration that has it: now it does."""
    core = multipaxos("n2", Configuration(), OPTIONS, Random(1), 1, None, None, [])
    old, new = (Configuration((Member("n2", number),)).encode() for number in (2, 9))
    core.receive("n1", Accept(N1, 1, 1, pack([Entry(1, N1, 0, Kind.CONFIGURATION, old)])))
    turn(core)
    core.receive("n1", Accept(N1, 5, 1, pack([Entry(slot, N1, 0, Kind.NOOP, b"") for slot in range(2, 6)])))
    turn(core)
    for _ in range(5 * OPTIONS.election_ticks):
        core.tick()
    before = (core.state.present.voters, core.state.ballot)
    core.receive("n1", Heartbeat(N1, 5, 2, 9))
    core.receive("n1", Accept(N1, 9, 1, pack([Entry(6, N1, 0, Kind.CONFIGURATION, new)] + [vote(slot, N1) for slot in range(7, 10)])))
    effects, _ = turn(core)
    for _ in range(5 * OPTIONS.election_ticks):
        core.tick()

    assert (frozenset({"n2"}), N1) == before
    assert isinstance(effects.promise, Promised)
    assert 9 == effects.promise.number
    assert core.state.ballot > N1
    assert 9 == core.state.ballot % 256


def test_votes_beyond_a_gap_are_told_apart() -> None:
    core = node("n2")
    core.receive("n1", Accept(N1, 0, 1, pack([vote(1, N1)])))
    core.receive("n1", Accept(N1, 0, 1, pack([vote(3, N1), vote(4, N1)])))
    effects, sent = turn(core)

    assert [1, 3, 4] == [entry.index for entry in effects.entries]
    assert pack(effects.entries) == effects.packed
    assert [("n1", Accepted(N1, 1, ((3, 4),), 1))] == sent


def test_a_copy_of_an_accept_is_acknowledged_and_not_written_again() -> None:
    core = node("n2")
    core.receive("n1", Accept(N1, 0, 1, pack([vote(1, N1)])))
    turn(core)
    core.receive("n1", Accept(N1, 0, 1, pack([vote(1, N1)])))
    effects, sent = turn(core)

    assert [] == effects.entries
    assert [("n1", Accepted(N1, 1, (), 1))] == sent


def test_a_learner_believes_only_of_its_votes_in_that_ballot() -> None:
    """Slot 2 was voted for in an older ballot: what is chosen there may be another value."""
    core = node("n2", Promised(N1, 0, 0), [vote(1, N1, b"a"), vote(2, N1, b"old")])
    core.receive("n3", Accept(N3, 2, 1, pack([vote(1, N3, b"a")])))
    effects, _ = turn(core)

    assert [b"a"] == [entry.data for entry in effects.committed]


def test_what_the_leader_bounded_by_our_acknowledgement_is_believed_after_a_restart() -> None:
    core = node("n2", Promised(N1, 0, 0), [vote(1, N1, b"a"), vote(2, N1, b"b")])
    core.receive("n3", Chosen(N3, 2))
    effects, _ = turn(core)

    assert [b"a", b"b"] == [entry.data for entry in effects.committed]


@pytest.mark.parametrize("values", [b"\x01\x02", pack([vote(1, N3)])], ids=["cut", "of another ballot"])
def test_a_malformed_accept_is_noted_and_nothing_is_written(values: bytes) -> None:
    core = node("n2")
    core.receive("n1", Accept(N1, 0, 1, values))
    effects, _ = turn(core)

    assert [] == effects.entries
    assert "accept_malformed" in [note.kind for note in effects.notes]


# --- the proposer ---


def test_of_what_is_reported_the_highest_ballot_is_proposed_again_and_gaps_are_filled() -> None:
    mine = [vote(1, N1, b"low"), vote(4, N1, b"mine")]
    ballot = (2 << 8) | 1
    report = Promise(ballot, 1, 4, 4, 0, pack([vote(1, N2, b"high")]))
    core = leader(mine, Promised(N2, 0, 0), report)
    effects, _ = turn(core)

    assert [proposed_again(vote(1, N2, b"high"), ballot), proposed_again(vote(4, N1, b"mine"), ballot)] == [
        effects.entries[0],
        effects.entries[3],
    ]
    assert [Kind.NOOP, Kind.NOOP] == [entry.kind for entry in effects.entries[1:3]]


def test_what_is_committed_is_the_value_as_it_was_first_proposed() -> None:
    ballot = (2 << 8) | 1
    core = leader([vote(1, N1, b"a")], Promised(N1, 0, 0))
    turn(core)
    core.receive("n2", Accepted(ballot, 1, (), 1))
    effects, _ = turn(core)

    assert [vote(1, N1, b"a")] == effects.committed


def test_a_slot_is_chosen_before_the_one_below_and_applied_after_it() -> None:
    core = leader()
    turn(core)
    core.propose(b"a", 7)
    core.propose(b"b", 7)
    turn(core)
    core.receive("n2", Accepted(N1, 0, ((2, 3),), 1))
    before, _ = turn(core)
    core.receive("n2", Accepted(N1, 3, (), 1))
    after, _ = turn(core)

    assert [] == before.committed
    assert [b"", b"a", b"b"] == [entry.data for entry in after.committed]


def test_votes_of_one_acceptor_count_once_and_of_another_ballot_never() -> None:
    core = leader()
    effects = core.take()
    assert effects is not None
    core.receive("n2", Accepted(N1, 1, (), 1))
    core.receive("n2", Accepted(N1, 1, (), 1))
    core.receive("n3", Accepted(N3, 1, (), 1))
    alone = core.take()
    core.synced(effects.serial)
    both = core.take()

    assert alone is None or [] == alone.committed
    assert both is not None
    assert [1] == [entry.index for entry in both.committed]


def test_at_most_alpha_slots_are_open_and_the_others_wait() -> None:
    core = leader()
    for number in range(10):
        core.propose(b"%d" % number, 7)
    first, _ = turn(core)
    core.receive("n2", Accepted(N1, 2, (), 1))
    second, _ = turn(core)

    assert [1, 2, 3, 4] == [entry.index for entry in first.entries]
    assert [5, 6] == [entry.index for entry in second.entries]


def test_a_preempted_leader_refuses_what_has_no_slot_and_only_that() -> None:
    core = leader()
    turn(core)
    for number in range(5):
        core.propose(b"%d" % number, 100 + number)
    turn(core)
    core.receive("n2", Preempted(N3, N1))
    effects, _ = turn(core)

    assert [(103, Reason.NOT_LEADER), (104, Reason.NOT_LEADER)] == [(refused.token, refused.reason) for refused in effects.refused]
    assert core.leader is None


def test_a_proposal_is_superseded_when_another_value_is_chosen_in_its_slot() -> None:
    core = leader()
    turn(core)
    core.propose(b"mine", 100)
    turn(core)
    core.receive("n3", Accept(N3, 2, 1, pack([Entry(1, N3, 0, Kind.NOOP, b""), Entry(2, N3, 5, Kind.COMMAND, b"other")])))
    effects, _ = turn(core)

    assert [(100, Reason.SUPERSEDED)] == [(refused.token, refused.reason) for refused in effects.refused]


def test_a_lost_accept_shows_in_the_answer_to_a_heartbeat_and_is_sent_again() -> None:
    core = leader()
    turn(core)
    core.receive("n2", Accepted(N1, 1, (), 1))
    turn(core)
    core.propose(b"lost", 7)
    turn(core)
    core.tick(OPTIONS.heartbeat_ticks)
    turn(core)
    core.receive("n2", HeartbeatReply(N1, core.state.serving.round if core.state.serving else 0, 1, 0))
    _, sent = turn(core)
    again = [message for to, message in sent if to == "n2" and isinstance(message, Accept)]

    assert [[2]] == [[entry.index for entry in unpack(message.values)] for message in again]


def test_a_snapshot_inside_the_window_of_a_change_is_not_taken() -> None:
    """Its one configuration would not say who decides the slots right after it."""
    core = leader()
    turn(core)
    core.receive("n2", Accepted(N1, 1, (), 1))
    turn(core)
    inside = Snapshot("s", 1, N1, Configuration(MEMBERS.members, 1))
    core.compact(inside)
    effects, _ = turn(core)

    assert effects.snapshot is None
    assert "snapshot_inside_window" in [note.kind for note in effects.notes]


def test_a_promise_of_another_engine_is_refused() -> None:
    with pytest.raises(TypeError, match="written by another engine"):
        multipaxos("n1", MEMBERS, OPTIONS, Random(1), 1, Accept(1, 1, 1, b""), None, [])
    with pytest.raises(TypeError, match="must be MultiPaxosOptions"):
        multipaxos("n1", MEMBERS, object(), Random(1), 1, None, None, [])


@pytest.mark.parametrize("figures", [{"alpha": 0}, {"lease_ticks": 95}, {"heartbeat_ticks": 40}, {"backoff_ticks_min": 9}])
def test_figures_that_contradict_each_other_are_refused(figures: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(figures)).partition("_min")[0]):
        MultiPaxosOptions(**figures)
