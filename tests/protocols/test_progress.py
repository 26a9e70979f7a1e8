"""What a leader knows of a follower: windows, lost appends, lost acknowledgements, catching up in rounds."""

import pytest

from quorate.protocols.progress import PROBE, REPLICATE, SNAPSHOT, CatchUp, Peer


def peer(*, match: int = 0, replicating: bool = True) -> Peer:
    made = Peer(next=match + 1, heard=0, catch_up=CatchUp(0, 0), match=match)
    if replicating:
        made.become_replicate()
    return made


def test_a_probe_waits_for_its_answer() -> None:
    probing = peer(replicating=False)
    probing.sent(5, 100, 1)

    assert PROBE == probing.state
    assert 1 == probing.next
    assert not probing.has_room(10, 1000)


def test_the_window_is_bounded_in_messages_and_in_bytes() -> None:
    by_count, by_bytes = peer(), peer()
    for last in (1, 2):
        by_count.sent(last, 1, 1)
        by_bytes.sent(last, 600, 1)

    assert not by_count.has_room(2, 1000)
    assert by_count.has_room(3, 1000)
    assert not by_bytes.has_room(10, 1000)
    by_bytes.acked(1)
    assert by_bytes.has_room(10, 1000)


def test_one_acknowledgement_frees_all_appends_up_to_it() -> None:
    replicating = peer()
    for last in (3, 6, 9):
        replicating.sent(last, 10, 1)

    assert replicating.acked(6)
    assert 1 == len(replicating.inflight)
    assert 10 == replicating.inflight_bytes
    assert not replicating.acked(3)
    assert 6 == replicating.match


def test_match_never_falls_when_going_back_to_probe() -> None:
    with pytest.raises(AssertionError):
        peer(match=5).become_probe(5)


def test_an_answered_heartbeat_reveals_an_append_that_was_lost_before_it() -> None:
    replicating = peer()
    replicating.sent(4, 10, 1)
    replicating.mark(2)
    replicating.sent(8, 10, 2)

    assert not replicating.shows_gap(1, 0)
    assert replicating.shows_gap(2, 3)
    assert not replicating.shows_gap(2, 4)


def test_a_probe_is_taken_for_lost_only_by_an_answer_to_a_later_heartbeat() -> None:
    probing = peer(replicating=False)
    probing.mark(3)
    probing.sent(1, 10, 3)

    assert not probing.shows_gap(3, 0)
    probing.lost_ack(3)
    probing.mark(4)
    assert probing.shows_gap(4, 0)


def test_an_acknowledgement_is_taken_for_lost_after_two_answered_heartbeats() -> None:
    replicating = peer()
    replicating.sent(4, 10, 1)
    replicating.mark(2)
    assert replicating.lost_ack(2) is None
    replicating.mark(3)

    assert 4 == replicating.lost_ack(3)
    replicating.acked(4)
    replicating.mark(4)
    assert replicating.lost_ack(4) is None


def test_a_snapshot_stops_appends() -> None:
    behind = peer()
    behind.become_snapshot(100, 60)

    assert SNAPSHOT == behind.state
    assert not behind.has_room(10, 1000)


def test_a_learner_is_caught_up_after_a_round_shorter_than_an_election_timeout() -> None:
    """Thesis 4.2.1, figure 4.5."""
    rounds = CatchUp(target=1000, since=0)
    rounds.advance(400, 1500, 150, 100)
    assert not rounds.done(400, 1500, 150, 100)
    rounds.advance(1000, 1800, 300, 100)
    assert not rounds.done(1000, 1800, 300, 100)
    rounds.advance(1800, 1810, 380, 100)

    assert rounds.done(1800, 1810, 380, 100)
    assert not rounds.done(1800, 1810, 480, 100)
    assert rounds.done(1810, 1810, 480, 100), "who holds everything needs no round"
    assert REPLICATE == peer().state
