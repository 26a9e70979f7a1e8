"""ZAB, phase 2: every follower is brought to the leader's history before anything is served (DSN 2011, V.A, steps l.2 and f.2)."""

from quorate.protocols.core import Snapshot
from quorate.protocols.zab import Epochs, ZabOptions
from quorate.protocols.zab.messages import (
    AckNewLeader,
    Diff,
    FollowerInfo,
    NewLeader,
    Proposal,
    Snap,
    Trunc,
    UpToDate,
)
from quorate.protocols.zab.roles import BROADCAST, SYNC, Follower, Leader, Looking
from tests.protocols.zab_lone import OPTIONS, THREE, Lone, history, proposal

A_SNAPSHOT = Snapshot("s", 4, 2, THREE)


def leading(*terms: int, snapshot: Snapshot | None = None, options: ZabOptions = OPTIONS) -> Lone:
    """n3 owns epoch 9 with this history and has n2 in its quorum."""
    last = terms[-1] if terms else snapshot.term if snapshot else 0
    entries = history(*terms)
    if snapshot is not None:
        for entry in entries:
            entry.index += snapshot.index
    node = Lone("n3", accepted=8, current=last, entries=entries, snapshot=snapshot, options=options)
    node.elect()
    node.joined("n2", accepted=8)
    node.acked_epoch("n2", 9, last, *node.core.state.zxid)
    role = node.core.state.role
    assert isinstance(role, Leader) and role.phase == SYNC, node.core
    return node


def plan(node: Lone, term: int, index: int) -> list[str]:
    """What n1, whose history ends there, is sent."""
    node.said.clear()
    node.joined("n1", accepted=8)
    node.acked_epoch("n1", 9, term, term, index)
    return [
        type(one).__name__ + (f" {one.term}/{one.index}" if isinstance(one, Diff | Trunc | Snap) else "")
        for to, one in node.said
        if to == "n1" and not isinstance(one, FollowerInfo) and type(one).__name__ not in ("Ping", "LeaderInfo")
    ]


def following(*terms: int, snapshot: Snapshot | None = None) -> tuple[Lone, int]:
    """n1 has accepted epoch 9 of n3, with this history."""
    last = terms[-1] if terms else 0
    node = Lone(accepted=8, current=last, entries=history(*terms), snapshot=snapshot)
    link = node.follow()
    node.accept("n3", link, 9)
    return node, link


# --- the leader's plan ---


def test_an_equal_history_needs_nothing() -> None:
    assert ["Diff 2/3", "NewLeader"] == plan(leading(1, 1, 2), 2, 3)


def test_a_prefix_is_sent_the_rest_before_newleader() -> None:
    assert ["Diff 1/1", "Proposal", "NewLeader"] == plan(leading(1, 1, 2), 1, 1)


def test_who_is_ahead_drops_the_rest() -> None:
    assert ["Trunc 2/3", "NewLeader"] == plan(leading(1, 1, 2), 2, 7)


def test_who_diverged_drops_back_to_the_last_zxid_that_is_not_above_its_own() -> None:
    assert ["Trunc 1/2", "Proposal", "NewLeader"] == plan(leading(1, 1, 3), 2, 5)


def test_who_lacks_what_is_gone_is_streamed_the_snapshot() -> None:
    node = leading(2, snapshot=A_SNAPSHOT)
    before = plan(node, 1, 3)
    node.core.transferred("n1", A_SNAPSHOT, True)
    node.take()

    assert [] == before
    assert [("n1", A_SNAPSHOT)] == [(one.to, one.snapshot) for one in node.transfers]
    assert ["Snap", "Proposal", "NewLeader"] == node.kinds("n1")[-3:]


def test_a_transfer_begun_on_an_earlier_link_does_not_hold_up_the_next() -> None:
    node = leading(2, snapshot=A_SNAPSHOT)
    plan(node, 1, 3)
    node.joined("n1", accepted=9, link=2)
    node.acked_epoch("n1", 9, 1, 1, 3, link=2)
    role = node.core.state.role

    assert isinstance(role, Leader)
    assert A_SNAPSHOT.index == role.peers["n1"].snapshot_index


# --- the follower's part ---


def test_what_the_leader_does_not_hold_goes() -> None:
    node, link = following(1, 1, 2)
    node.hear("n3", node.frame("n3", link, Trunc, 1, 2), sync=False)
    effects = node.held[-1]
    node.sync()

    assert 2 == effects.truncate
    assert (1, 2) == node.core.state.zxid


def test_a_follower_that_meets_the_leader_further_down_says_anew_what_is_left() -> None:
    """The leader holds (2, 2) and nothing up to our (3, 3); we hold (1, 1) before that."""
    node, link = following(1, 3, 3)
    node.hear("n3", node.frame("n3", link, Trunc, 2, 2))
    role, opening = node.core.state.role, node.last(FollowerInfo)

    assert isinstance(role, Follower) and isinstance(opening, FollowerInfo)
    assert ("n3", (1, 1)) == (role.leader, node.core.state.zxid)
    assert link + 1 == opening.link


def test_the_epoch_becomes_current_with_its_history_and_is_acknowledged_when_both_are_durable() -> None:
    node, link = following(1)
    node.hear("n3", node.frame("n3", link, Diff, 1, 1), sync=False)
    node.hear("n3", node.frame("n3", link, Proposal, proposal(*history(1, 1, 2)[1:])), sync=False)
    node.hear("n3", node.frame("n3", link, NewLeader, 9), sync=False)
    written = [(effects.promise, [entry.index for entry in effects.entries]) for effects in node.held if effects.writes]
    early = node.count(AckNewLeader)
    node.sync()
    answer = node.last(AckNewLeader)

    assert [(None, [2, 3]), (Epochs(9, 9), [])] == written
    assert 0 == early
    assert isinstance(answer, AckNewLeader)
    assert (9, 3) == (answer.epoch, answer.index)


def test_newleader_before_the_histories_meet_breaks_the_channel() -> None:
    node, link = following(1)
    node.hear("n3", node.frame("n3", link, NewLeader, 9))

    assert isinstance(node.core.state.role, Looking)
    assert 1 == node.core.state.current


def test_a_snapshot_of_our_leader_is_installed_and_the_rest_follows_on_it() -> None:
    node, link = following(1)
    node.core.received("n3", A_SNAPSHOT)
    node.take()
    node.hear("n3", node.frame("n3", link, Snap, 2, 4))
    node.hear("n3", node.frame("n3", link, NewLeader, 9))

    assert (2, 4) == node.core.state.zxid
    assert 1 == node.count(AckNewLeader)


def test_a_snapshot_of_somebody_else_is_not() -> None:
    node, _ = following(1)
    node.core.received("n2", A_SNAPSHOT)

    assert (1, 1) == node.core.state.zxid


def test_a_follower_serves_only_after_uptodate() -> None:
    node, link = following(1)
    node.hear("n3", node.frame("n3", link, Diff, 1, 1))
    node.hear("n3", node.frame("n3", link, NewLeader, 9))
    before = node.core.leader
    node.hear("n3", node.frame("n3", link, UpToDate, 1))

    assert (None, "n3", [1]) == (before, node.core.leader, node.committed)


# --- establishment ---


def test_nothing_is_served_before_a_quorum_has_acknowledged_newleader() -> None:
    node = leading(1, 1)
    node.core.propose(b"x", 7)
    node.take()
    before = (node.core.leader, [refused.token for refused in node.refused], node.core.state.commit)
    node.acked_leader("n2", 9, 2)

    assert (None, [7], 0) == before
    assert ("n3", [1, 2]) == (node.core.leader, node.committed)


def test_the_leaders_own_history_must_be_durable_to_count() -> None:
    node = leading(1)
    node.held.clear()
    node.core.state.promise_serial = 10**6
    node.hear("n2", node.frame("n2", 1, AckNewLeader, 9, 1), sync=False)
    alone = node.core.leader
    node.core.state.promise_serial = 0
    node.core.tick()
    node.take()

    assert (None, "n3") == (alone, node.core.leader)


def test_an_acknowledgement_of_another_epoch_establishes_nothing() -> None:
    node = leading(1)
    node.acked_leader("n2", 8, 1)

    assert node.core.leader is None


def test_an_established_history_is_committed_whatever_epochs_it_is_from() -> None:
    node = leading(1, 3, 5)
    node.acked_leader("n2", 9, 3)
    role = node.core.state.role

    assert isinstance(role, Leader)
    assert (BROADCAST, 3) == (role.phase, node.core.state.commit)
