"""A KRaft follower: what it asks for, what it takes in, what it truncates. KIP-595, KIP-630."""

from dataclasses import replace

from quorate.protocols.core import Snapshot
from quorate.protocols.kraft.messages import (
    BeginQuorumEpoch,
    Diverging,
    EndQuorumEpoch,
    Fenced,
    Fetch,
    Fetched,
    FetchSnapshot,
    SnapshotId,
)
from quorate.protocols.log import pack
from quorate.protocols.terms.ballots import Vote
from quorate.protocols.terms.roles import Candidate
from tests.protocols.kraft_lone import AMPLE, OPTIONS, THREE, Lone, history


def answer(asked: Fetch, *epochs: int, high_watermark: int = 0, round: int = 1) -> Fetched:
    """The records of these epochs, that follow what was asked."""
    entries = [replace(entry, index=asked.offset + entry.index) for entry in history(*epochs)]
    return Fetched(asked.epoch, asked.id, asked.offset, asked.last_epoch, high_watermark, round, pack(entries))


def test_a_fetch_asks_from_the_logs_end_and_acknowledges_what_is_durable() -> None:
    lone = Lone(epoch=1, entries=history(1, 1))
    asked = lone.follow()
    lone.hear("n2", answer(asked, 1, 1), sync=False)
    first = lone.last(Fetch)
    lone.take()

    assert (4, 2) == (first.offset, first.durable)
    assert replace(first, durable=4, room=AMPLE) == lone.last(Fetch)


def test_nothing_is_fetched_under_an_epoch_that_is_not_durable() -> None:
    lone = Lone()

    assert [] == lone.hear("n2", BeginQuorumEpoch(1), sync=False)
    assert [Fetch] == [type(message) for _, message in lone.take()]


def test_an_answer_that_comes_twice_is_taken_in_once() -> None:
    lone = Lone(epoch=1)
    asked = lone.follow()
    lone.hear("n2", answer(asked, 1))
    lone.hear("n2", answer(asked, 1))

    assert 1 == lone.core.state.log.last


def test_records_are_not_taken_in_after_another_entry_than_the_leaders() -> None:
    """Steps: 1. a life before asked after (2, 1). 2. This one ends with (2, 2). 3. The answer arrives late."""
    lone = Lone(epoch=3, entries=history(1, 2))
    lone.follow(epoch=3)
    lone.hear("n2", Fetched(3, 1, 2, 1, 3, 1, pack(history(1, 1, 3)[2:])))

    assert 2 == lone.core.state.log.last
    assert [] == lone.committed


def test_malformed_records_are_noted_and_left() -> None:
    lone = Lone(epoch=1)
    asked = lone.follow()
    lone.hear("n2", replace(answer(asked, 1), records=b"short"))
    lone.hear("n2", replace(answer(asked), records=pack(history(1, 1)[1:])))

    assert ["records_malformed"] * 2 == [note.kind for note in lone.notes if note.kind.startswith("records")]
    assert 0 == lone.core.state.log.last


def test_the_high_watermark_is_believed_as_far_as_the_log_is_the_leaders() -> None:
    lone = Lone(epoch=1)
    asked = lone.follow()
    lone.hear("n2", answer(asked, 1, 1, high_watermark=9))

    assert [1, 2] == lone.committed


def test_divergence_truncates_to_the_last_place_that_both_may_hold() -> None:
    lone = Lone(epoch=4, entries=history(1, 1, 2, 2, 3, 3))
    asked = lone.follow(epoch=4)
    lone.hear("n2", Diverging(4, asked.id, 6, 3, 2, 3, 1))
    again = lone.last(Fetch)

    assert [3] == lone.truncated
    assert (3, 2) == (again.offset, again.last_epoch)


def test_a_diverging_epoch_that_ends_earlier_here_truncates_to_its_end_here() -> None:
    lone = Lone(epoch=4, entries=history(1, 1, 3, 3))
    asked = lone.follow(epoch=4)
    lone.hear("n2", Diverging(4, asked.id, 4, 3, 2, 4, 1))

    assert [2] == lone.truncated


def test_a_late_divergence_truncates_nothing() -> None:
    lone = Lone(epoch=4, entries=history(1, 1, 3))
    asked = lone.follow(epoch=4)
    diverging = Diverging(4, asked.id, 3, 3, 1, 2, 1)
    lone.hear("n2", diverging)
    lone.hear("n2", answer(lone.last(Fetch), 4, 4))
    lone.hear("n2", diverging)

    assert [2] == lone.truncated
    assert 4 == lone.core.state.log.last


def test_what_is_committed_is_never_truncated() -> None:
    lone = Lone(epoch=1)
    lone.hear("n2", answer(lone.follow(), 1, 1, high_watermark=2))
    asked = lone.last(Fetch)
    lone.hear("n2", Diverging(1, asked.id, 2, 1, 0, 0, 1))

    assert [] == lone.truncated
    assert "divergence_refused" in [note.kind for note in lone.notes]


def test_a_fetch_that_is_not_answered_is_sent_anew_after_fetch_retry_ticks() -> None:
    lone = Lone(epoch=1)
    asked = lone.follow()
    quiet = lone.tick(OPTIONS.fetch_retry_ticks - 1)
    lone.tick()

    assert [] == quiet
    assert asked.id < lone.last(Fetch).id


def test_a_fetch_of_a_later_life_has_a_higher_id() -> None:
    assert Lone(epoch=1).follow().id < Lone(epoch=1, incarnation=2).follow().id


def test_who_is_told_to_fetch_while_a_fetch_is_out_fetches_anew() -> None:
    lone = Lone(epoch=1)

    assert lone.follow().id < lone.follow().id


def test_a_follower_whose_disk_stalls_fetches_no_more_than_its_window() -> None:
    lone = Lone(epoch=1, options=replace(OPTIONS, window_bytes=40))
    asked = lone.follow()
    lone.hear("n2", answer(asked, 1, 1), sync=False)
    stalled = lone.last(Fetch)
    lone.take()

    assert 0 == stalled.room
    assert (stalled.id, 40) == (lone.last(Fetch).id, lone.last(Fetch).room)


def test_a_snapshots_id_is_answered_by_asking_for_it_unless_it_is_old() -> None:
    lone = Lone(epoch=1)
    asked = lone.follow()
    said = lone.hear("n2", SnapshotId(1, asked.id, "s", 5, 1))
    lone.core.received("n2", Snapshot("s", 5, 1, THREE))
    lone.take()
    installed = lone.last(Fetch)
    late = lone.hear("n2", SnapshotId(1, asked.id, "s", 5, 1))

    assert ("n2", FetchSnapshot(1, "s")) in said
    assert (5, 1, 5) == (installed.offset, installed.last_epoch, installed.durable)
    assert not [message for _, message in late if isinstance(message, FetchSnapshot)]


def test_the_preferred_successor_asks_for_votes_at_once_and_the_others_soon() -> None:
    preferred, other = Lone(epoch=1), Lone(epoch=1)
    for lone in (preferred, other):
        lone.follow()
    preferred.hear("n2", EndQuorumEpoch(1, ("n1", "n3")))
    other.hear("n2", EndQuorumEpoch(1, ("n3", "n1")))

    assert isinstance(preferred.core.state.role, Candidate)
    assert all(message.hand_over for _, message in preferred.said if isinstance(message, Vote))
    assert other.core.leader is None
    assert other.core.elections.timeout < OPTIONS.election_ticks


def test_only_its_leader_can_dismiss_or_fence_a_follower() -> None:
    lone = Lone(epoch=1)
    lone.follow()
    lone.hear("n3", EndQuorumEpoch(1, ("n1",)))
    lone.hear("n3", Fenced(1))

    assert "n2" == lone.core.leader


def test_a_leader_that_lost_its_role_fences_who_still_fetches() -> None:
    follower, restarted = Lone(epoch=1), Lone(epoch=1)
    asked = follower.follow()
    said = restarted.hear("n3", asked)
    follower.hear("n2", Fenced(1))

    assert [("n3", Fenced(1))] == said
    assert follower.core.leader is None


def test_a_leader_of_an_older_epoch_is_told_ours() -> None:
    lone = Lone(epoch=5)

    assert [("n2", Fenced(5))] == lone.hear("n2", BeginQuorumEpoch(4))
