"""ZAB, phase 3: proposals on FIFO channels, acknowledged when durable, committed in order (DSN 2011, V.A, steps l.3 and f.3)."""

import pytest

from quorate.protocols.core import AddLearner, Entry, Kind, Member, Reason
from quorate.protocols.zab import ZabOptions
from quorate.protocols.zab.messages import Ack, Closed, Commit, HandOver, Inform, NewLeader, Ping, Pong, Proposal, Trunc, UpToDate
from quorate.protocols.zab.roles import Follower, Leader, Looking
from tests.protocols.zab_lone import FIVE, OPTIONS, Lone, proposal


def entry(index: int, term: int = 1) -> Entry:
    return Entry(index, term, 0, Kind.COMMAND, b"%d" % index)


def leader(options: ZabOptions = OPTIONS) -> Lone:
    node = Lone("n3", options=options)
    node.lead()
    node.said.clear()
    return node


def propose(node: Lone, token: int = 1, data: bytes = b"x") -> None:
    node.core.propose(data, token)
    node.take()


def ack(node: Lone, sender: str, index: int) -> None:
    node.hear(sender, node.frame(sender, 1, Ack, index))


# --- the leader ---


def test_a_proposal_leaves_before_the_leaders_own_log_is_durable() -> None:
    node = leader()
    propose(node)

    assert ["n1", "n2"] == [to for to, message in node.said if isinstance(message, Proposal)]
    assert node.held


def test_all_proposals_of_a_turn_share_one_message() -> None:
    node = leader()
    for token in range(1, 5):
        node.core.propose(b"x", token)
    node.take()

    assert 2 == node.count(Proposal)


def test_a_quorum_with_the_leaders_own_disk_commits() -> None:
    node = leader()
    propose(node)
    node.hear("n1", node.frame("n1", 1, Ack, 1), sync=False)
    before = list(node.committed)
    node.sync()

    assert ([], [1]) == (before, node.committed)
    assert ["n1", "n2"] == [to for to, message in node.said if isinstance(message, Commit)]


def test_an_acknowledgement_counts_once_however_often_it_comes() -> None:
    node = Lone("n5", members=FIVE)
    node.lead()
    propose(node)
    node.sync()
    message = node.frame("n1", 1, Ack, 1)
    for _ in range(3):
        node.hear("n1", message)
    before = list(node.committed)
    ack(node, "n2", 1)

    assert ([], [1]) == (before, node.committed)


def test_an_acknowledgement_beyond_the_log_counts_for_nothing() -> None:
    node = leader()
    ack(node, "n1", 7)

    assert [] == node.committed


def test_a_window_bounds_what_is_under_way() -> None:
    node = leader(ZabOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, notify_ticks_max=4, window_messages=2))
    for _ in range(3):  # until all that came before proposals is confirmed
        for name in ("n1", "n2"):
            node.hear(name, Pong(1, node.core.state.role.peers[name].channel.sent, 0, 0))  # type: ignore[union-attr]
    for token in range(1, 6):
        propose(node, token)

    assert 2 == sum(isinstance(message, Proposal) for to, message in node.said if to == "n1")


def test_too_much_or_too_large_is_refused() -> None:
    options = ZabOptions(
        election_ticks=20, heartbeat_ticks=2, lease_ticks=5, notify_ticks_max=4, entry_bytes_max=100, uncommitted_bytes_max=250
    )
    node = leader(options)
    propose(node, 1, b"x" * 101)
    propose(node, 2, b"x" * 100)
    propose(node, 3, b"x" * 100)

    assert [(1, Reason.TOO_LARGE), (3, Reason.OVERLOADED)] == [(one.token, one.reason) for one in node.refused]


def test_what_committed_makes_room_again() -> None:
    options = ZabOptions(
        election_ticks=20, heartbeat_ticks=2, lease_ticks=5, notify_ticks_max=4, entry_bytes_max=100, uncommitted_bytes_max=150
    )
    node = leader(options)
    propose(node, 1, b"x" * 100)
    node.sync()
    ack(node, "n1", 1)
    propose(node, 2, b"x" * 100)

    assert [] == node.refused


def test_an_observer_is_informed_of_what_is_committed_and_of_nothing_else() -> None:
    node = leader()
    node.core.reconfigure(AddLearner(Member("n4", 4, voter=False)), 9)
    node.take()
    node.sync()
    ack(node, "n1", 1)
    node.joined("n4")
    node.acked_epoch("n4", 1)
    propose(node, 10)
    node.sync()
    before = [message.entries.count(b"x") for to, message in node.said if to == "n4" and isinstance(message, Inform)]
    ack(node, "n1", 2)
    after = [message.entries.count(b"x") for to, message in node.said if to == "n4" and isinstance(message, Inform)]

    assert ([0], [0, 1]) == (before, after)
    assert "Proposal" not in node.kinds("n4")


def test_a_leader_without_a_quorum_leaves_and_says_so() -> None:
    node = leader()
    node.tick(OPTIONS.election_ticks)

    assert isinstance(node.core.state.role, Looking)
    assert ["n1", "n2"] == [to for to, message in node.said if isinstance(message, Closed)]


def test_one_that_hears_a_quorum_stays() -> None:
    node = leader()
    for _ in range(3 * OPTIONS.election_ticks):
        node.tick()
        node.hear("n1", Pong(1, 0, 0, 0))

    assert isinstance(node.core.state.role, Leader)


def test_a_read_waits_for_a_round_of_pings_sent_after_it_came() -> None:
    node = leader()
    under_way = node.core.state.role.round  # type: ignore[union-attr]
    node.core.read(5)
    node.take()
    ping = node.last(Ping)
    assert isinstance(ping, Ping)
    ready = []
    for round_ in (under_way, ping.round):
        node.core.receive("n1", Pong(1, 0, round_, 0))
        effects = node.take()
        ready.append([one.token for one in effects.reads] if effects else [])

    assert [[], [5]] == ready


def test_a_member_that_was_told_of_a_hand_over_may_promise_to_another() -> None:
    node = Lone()
    link = node.serve()
    node.hear("n3", Ping(link, 0, 1, 1))
    bound = node.core.promises.bind
    node.hear("n3", node.frame("n3", link, HandOver, "n2", 1))

    assert (True, False) == (bound, node.core.promises.bind)
    assert "n2" == node.core.state.role.leader  # type: ignore[union-attr]


# --- the follower ---


def test_a_proposal_is_acknowledged_once_a_turn_and_when_it_is_durable() -> None:
    node = Lone()
    link = node.serve()
    for index in (1, 2):
        node.core.receive("n3", node.frame("n3", link, Proposal, proposal(entry(index))))
    node.take()
    early = node.count(Ack)
    node.sync()
    answer = node.last(Ack)

    assert (0, 1) == (early, node.count(Ack))
    assert isinstance(answer, Ack)
    assert 2 == answer.index


def test_what_comes_twice_is_logged_once() -> None:
    node = Lone()
    link = node.serve()
    message = node.frame("n3", link, Proposal, proposal(entry(1)))
    node.hear("n3", message)
    node.hear("n3", message)

    assert 1 == node.core.state.log.last


def test_a_commit_that_overtook_its_proposal_waits_for_it() -> None:
    node = Lone()
    link = node.serve()
    first = node.frame("n3", link, Proposal, proposal(entry(1)))
    second = node.frame("n3", link, Commit, 1)
    node.hear("n3", second)
    before = list(node.committed)
    node.hear("n3", first)

    assert ([], [1]) == (before, node.committed)


@pytest.mark.parametrize(
    "blob",
    [proposal(entry(5)), proposal(entry(1, term=9)), b"nonsense", b""],
    ids=["a gap", "an epoch that is not the leader's", "malformed", "nothing"],
)
def test_entries_that_cannot_be_the_leaders_break_the_channel(blob: bytes) -> None:
    node = Lone()
    link = node.serve()
    node.hear("n3", node.frame("n3", link, Proposal, blob))

    assert isinstance(node.core.state.role, Looking)
    assert 0 == node.core.state.log.last


def test_a_commit_beyond_the_log_breaks_the_channel() -> None:
    node = Lone()
    link = node.serve()
    node.hear("n3", node.frame("n3", link, Commit, 4))

    assert isinstance(node.core.state.role, Looking)


def test_frames_of_another_link_are_not_heard() -> None:
    node = Lone()
    link = node.serve()
    node.hear("n3", node.frame("n3", link + 1, Proposal, proposal(entry(1))))

    assert 0 == node.core.state.log.last
    assert isinstance(node.core.state.role, Follower)


def test_a_silent_leader_is_left() -> None:
    node = Lone()
    node.serve()
    node.tick(OPTIONS.election_ticks)

    assert isinstance(node.core.state.role, Looking)


@pytest.mark.parametrize("how", ["its link is closed", "its connection broke"])
def test_a_leader_that_is_known_to_be_gone_is_left_at_once(how: str) -> None:
    node = Lone()
    link = node.serve()
    if how == "its link is closed":
        node.hear("n3", Closed(link))
    else:
        node.core.unreachable("n3")

    assert isinstance(node.core.state.role, Looking)


def test_a_ping_is_answered_at_once_and_never_vouches_for_what_is_not_durable() -> None:
    node = Lone()
    link = node.serve()
    node.hear("n3", node.frame("n3", link, Proposal, proposal(entry(1))), sync=False)
    node.hear("n3", Ping(link, 0, 1, 7), sync=False)
    answer = node.last(Pong)

    assert isinstance(answer, Pong)
    assert (7, 0) == (answer.round, answer.durable)


def test_an_own_proposal_that_another_took_the_place_of_is_superseded() -> None:
    node = leader()
    propose(node, 77)
    node.sync()
    node.tick(OPTIONS.election_ticks)
    node.sequence.clear()
    link = node.follow("n2")
    node.accept("n2", link, 5)
    node.hear("n2", node.frame("n2", link, Trunc, 0, 0))
    before = [one.token for one in node.refused]
    node.hear("n2", node.frame("n2", link, NewLeader, 5))
    node.hear("n2", node.frame("n2", link, Proposal, proposal(entry(1, term=5))))
    node.hear("n2", node.frame("n2", link, UpToDate, 1))

    assert [] == before
    assert [(77, Reason.SUPERSEDED)] == [(one.token, one.reason) for one in node.refused]
