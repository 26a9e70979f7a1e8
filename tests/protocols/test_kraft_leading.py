"""A KRaft leader: what it counts, when it answers, how it proves that it leads, when it leaves. KIP-595, KIP-630."""

from dataclasses import replace

import pytest

from quorate.protocols.core import AddLearner, Kind, Member, Remove, Snapshot, origin
from quorate.protocols.kraft import KRaftOptions, kraft
from quorate.protocols.kraft.messages import BeginQuorumEpoch, Diverging, EndQuorumEpoch, Fenced, Fetched, FetchSnapshot, SnapshotId
from quorate.protocols.log import unpack
from quorate.protocols.terms.ballots import VoteReply
from tests.protocols.kraft_lone import OPTIONS, THREE, Lone, fetch, history

TOKEN = origin(1, 1, 1)


def settled() -> Lone:
    """A leader whose no-op, at 1 in epoch 1, is committed; both followers' fetches are parked."""
    lone = Lone().lead()
    for name in ("n2", "n3"):
        lone.hear(name, fetch(lone, 1, 0, 0))
        lone.hear(name, fetch(lone, 2, 1, 1, round=1))
        lone.hear(name, fetch(lone, 3, 1, 1, high_watermark=1, round=1))
    lone.said.clear()
    return lone


def test_who_leads_tells_everybody_to_fetch_until_they_do() -> None:
    lone = Lone().lead()
    told = [to for to, message in lone.said if isinstance(message, BeginQuorumEpoch)]
    lone.hear("n2", fetch(lone, 1, 0, 0))
    later = lone.tick(OPTIONS.heartbeat_ticks)

    assert ["n2", "n3"] == sorted(told)
    assert ["n3"] == [to for to, message in later if isinstance(message, BeginQuorumEpoch)]


def test_reads_in_every_turn_keep_nobody_from_being_told_to_fetch() -> None:
    lone = settled()
    lone.core.unreachable("n3")
    for turn in range(3 * OPTIONS.heartbeat_ticks):
        lone.core.read(turn)
        lone.tick()
        lone.hear("n2", fetch(lone, 4 + turn, 1, 1, high_watermark=1, round=lone.last(Fetched).round))

    assert 3 == sum(to == "n3" and isinstance(message, BeginQuorumEpoch) for to, message in lone.said)


def test_a_fetch_without_news_is_parked_until_there_are_records() -> None:
    lone = settled()
    quiet = lone.tick()
    lone.core.propose(b"a", TOKEN)
    said = lone.take()

    assert [] == quiet
    assert {"n2", "n3"} == {to for to, _ in said}
    assert [b"a"] == [entry.data for entry in unpack(lone.last(Fetched).records)]


def test_a_parked_fetch_is_answered_when_the_high_watermark_moved() -> None:
    lone = settled()
    lone.core.propose(b"a", TOKEN)
    lone.take()
    lone.hear("n2", fetch(lone, 4, 2, 1, 1, high_watermark=1, round=1))
    said = lone.hear("n3", fetch(lone, 4, 2, 1, 2, high_watermark=1, round=1))

    assert [2, 2] == [message.high_watermark for _, message in said if isinstance(message, Fetched)]


def test_a_parked_fetch_is_answered_with_the_next_round() -> None:
    lone = settled()
    said = lone.tick(OPTIONS.heartbeat_ticks)

    assert [("n2", 2), ("n3", 2)] == sorted((to, message.round) for to, message in said if isinstance(message, Fetched))


def test_a_fetch_acknowledges_its_durable_offset_not_what_it_asks_from() -> None:
    lone = settled()
    lone.core.propose(b"a", TOKEN)
    lone.take(sync=False)
    lone.hear("n2", fetch(lone, 4, 2, 1, 1), sync=False)
    lone.hear("n3", fetch(lone, 4, 2, 1, 1), sync=False)
    before = list(lone.committed)
    lone.hear("n2", fetch(lone, 4, 2, 1, 2), sync=False)
    one = list(lone.committed)
    lone.take()

    assert [1] == before == one
    assert [1, 2] == lone.committed


def test_a_fetch_that_was_answered_and_comes_again_is_not_answered_again() -> None:
    lone = settled()
    lone.core.propose(b"a", TOKEN)
    lone.take()

    assert [] == [message for to, message in lone.hear("n2", fetch(lone, 3, 1, 1, high_watermark=1, round=1)) if to == "n2"]


def test_an_older_fetch_does_not_replace_a_newer_one() -> None:
    lone = settled()
    lone.hear("n2", fetch(lone, 2, 0, 0))
    lone.core.propose(b"a", TOKEN)
    lone.take()

    assert {1} == {message.offset for _, message in lone.said if isinstance(message, Fetched)}


def test_an_offset_that_diverges_counts_for_nothing_and_is_told_where_the_logs_may_meet() -> None:
    lone = Lone(epoch=3, entries=history(1, 1, 3)).lead()
    said = lone.hear("n2", fetch(lone, 1, 4, 2, 4))

    assert [] == lone.committed
    assert [(1, 2)] == [(message.diverging_epoch, message.end_offset) for _, message in said if isinstance(message, Diverging)]


def test_a_follower_whose_log_is_longer_is_told_where_ours_ends() -> None:
    lone = Lone(epoch=1, entries=history(1)).lead()
    said = lone.hear("n2", fetch(lone, 1, 7, 1))

    assert [(1, 1)] == [(message.diverging_epoch, message.end_offset) for _, message in said if isinstance(message, Diverging)]


def test_nothing_commits_before_the_start_of_the_leaders_own_epoch() -> None:
    lone = Lone(epoch=2, entries=history(1, 2)).lead()
    lone.hear("n2", fetch(lone, 1, 2, 2))
    before = list(lone.committed)
    lone.hear("n2", fetch(lone, 2, 3, 3))

    assert [] == before
    assert [1, 2, 3] == lone.committed
    assert Kind.NOOP == lone.core.state.log.get(3).kind


def test_below_the_logs_start_there_is_a_snapshots_id_once_a_round() -> None:
    lone = settled()
    lone.core.compact(Snapshot("s", 1, 1, THREE))
    lone.take()
    said = lone.hear("n2", fetch(lone, 4, 0, 0, round=1))
    again = lone.hear("n2", fetch(lone, 5, 0, 0, round=1))
    later = lone.tick(OPTIONS.heartbeat_ticks)

    assert [SnapshotId(1, 4, "s", 1, 1)] == [message for _, message in said]
    assert [] == again
    assert [SnapshotId(1, 5, "s", 1, 2)] == [message for to, message in later if to == "n2"]


def test_a_snapshot_is_transferred_when_it_is_asked_for_one_at_a_time_and_again_after_a_failure() -> None:
    lone = settled()
    snapshot = Snapshot("s", 1, 1, THREE)
    lone.core.compact(snapshot)
    for _ in range(2):
        lone.hear("n2", FetchSnapshot(1, "s"))
    once = len(lone.transfers)
    lone.core.transferred("n2", snapshot, False)
    lone.hear("n2", FetchSnapshot(1, "s"))
    at_once = len(lone.transfers)
    lone.core.state.timer += OPTIONS.transfer_retry_ticks
    lone.hear("n2", FetchSnapshot(1, "s"))

    assert (1, 1, 2) == (once, at_once, len(lone.transfers))


def test_a_read_is_confirmed_by_fetches_that_know_of_a_round_begun_after_it() -> None:
    """A fetch that was sent before the read came may arrive after it, and proves nothing."""
    lone = settled()
    lone.core.read(7)
    lone.take()
    lone.hear("n2", fetch(lone, 4, 1, 1, high_watermark=1, round=1))
    before = list(lone.reads)
    lone.hear("n2", fetch(lone, 5, 1, 1, high_watermark=1, round=2))

    assert [] == before
    assert [7] == lone.reads


def test_a_leader_that_a_majority_stopped_fetching_from_resigns_and_names_who_holds_the_most() -> None:
    lone = settled()
    lone.core.propose(b"a", TOKEN)
    lone.take()
    lone.hear("n3", fetch(lone, 4, 2, 1))
    said = lone.tick(OPTIONS.election_ticks)

    assert lone.core.leader is None
    assert [EndQuorumEpoch(1, ("n3", "n2"))] * 2 == [message for _, message in said if isinstance(message, EndQuorumEpoch)]


def test_a_hand_over_waits_until_the_target_holds_all_and_drops_the_lease() -> None:
    lone = settled()
    for name in ("n2", "n3"):
        lone.hear(name, fetch(lone, 4, 1, 1, high_watermark=1, round=1))
    lone.core.propose(b"a", TOKEN)
    lone.take()
    lone.core.transfer("n2", 8)
    before = lone.take()
    lone.hear("n2", fetch(lone, 5, 2, 1))

    assert [] == [message for _, message in before if isinstance(message, EndQuorumEpoch)]
    assert EndQuorumEpoch(1, ("n2",)) == lone.last(EndQuorumEpoch)
    me = lone.core.state.serving
    assert me is not None
    assert me.lease_forfeited
    assert not lone.core.leading.has_lease(me)


def test_the_fetches_of_an_observer_commit_nothing() -> None:
    lone = settled()
    lone.core.reconfigure(AddLearner(Member("n4", 4)), 9)
    lone.take()
    lone.hear("n4", fetch(lone, 1, 2, 1))
    before = list(lone.committed)
    lone.hear("n2", fetch(lone, 4, 2, 1))

    assert [1] == before
    assert [1, 2] == lone.committed


def test_a_removed_member_hears_that_and_nothing_else() -> None:
    lone = settled()
    lone.core.reconfigure(Remove("n3"), 9)
    lone.take()
    lone.hear("n2", fetch(lone, 4, 2, 1))
    told = lone.hear("n3", fetch(lone, 4, 2, 1, high_watermark=1))
    more = lone.hear("n3", fetch(lone, 5, 2, 1, high_watermark=2))

    assert [("n3", 2, b"")] == [(to, message.high_watermark, message.records) for to, message in told if isinstance(message, Fetched)]
    assert [] == more


def test_a_fetch_of_an_older_epoch_is_fenced_and_of_a_newer_one_ends_ours() -> None:
    lone = settled()
    older = lone.hear("n2", replace(fetch(lone, 4, 1, 1), epoch=0))
    lone.hear("n2", replace(fetch(lone, 4, 1, 1), epoch=9))

    assert [("n2", Fenced(1))] == older
    assert (9, None) == (lone.core.state.term, lone.core.leader)


def test_a_late_vote_for_a_leader_changes_nothing() -> None:
    lone = settled()

    assert [] == lone.hear("n3", VoteReply(1, True))


def test_figures_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match=r"fetch_retry_ticks \(10\) must lie between heartbeat_ticks \(10\)"):
        KRaftOptions(fetch_retry_ticks=10)
    with pytest.raises(ValueError, match="window_bytes must be at least 1, not 0"):
        KRaftOptions(window_bytes=0)
    with pytest.raises(TypeError, match="options must be KRaftOptions, not int"):
        kraft("n1", THREE, 1, Lone().core.state.rng, 1, None, None, [])
