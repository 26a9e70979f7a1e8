"""Raft under load and loss: one message a turn, windows, lost and reordered appends, bounds. Ongaro's thesis 10.2.1."""

from quorate.protocols.core import Entry, Reason
from quorate.protocols.log import HEADER_SIZE, pack
from quorate.protocols.progress import PROBE, REPLICATE
from quorate.protocols.raft import RaftOptions
from quorate.protocols.raft.messages import Append, Appended
from quorate.protocols.terms.roles import Leader
from tests.protocols.raft_cluster import Cluster, appends


def led(*names: str, options: RaftOptions | None = None) -> Cluster:
    """A cluster at rest, led by its first node in term 1, its no-op committed."""
    cluster = Cluster(*names, options=options)
    cluster.elect(names[0])
    cluster.settle()
    return cluster


def peer_state(cluster: Cluster, leader: str, name: str) -> str:
    role = cluster.cores[leader].state.role
    assert isinstance(role, Leader)
    return role.peers[name].state


def test_a_loaded_leader_sends_each_follower_one_message_a_turn() -> None:
    cluster = led("n1", "n2", "n3")
    for _ in range(64):
        cluster.propose("n1", b"x")
    cluster.sent.clear()
    cluster.take("n1")

    assert ["n2", "n3"] == sorted(to for _, to, _ in cluster.sent)
    cluster.deliver()
    for name in ("n2", "n3"):
        cluster.take(name)
    assert 2 == len([message for _, _, message in cluster.sent if isinstance(message, Appended)])
    cluster.deliver()
    for _ in range(64):
        cluster.propose("n1", b"y")
    cluster.sent.clear()
    cluster.take("n1")

    assert ["n2", "n3"] == sorted(to for _, to, _ in cluster.sent)
    assert {65} == {message.commit for _, _, message in cluster.sent if isinstance(message, Append)}


def test_a_batch_is_packed_once_for_the_log_and_for_all_followers() -> None:
    cluster = led("n1", "n2", "n3")
    for _ in range(3):
        cluster.propose("n1", b"x")
    effects = cluster.cores["n1"].take()
    assert effects is not None
    messages = [send.message for send in effects.sends if isinstance(send.message, Append)]

    assert 2 == len(messages)
    assert all(message.entries is effects.packed for message in messages)
    follower = cluster.cores["n2"]
    follower.receive("n1", messages[0])
    theirs = follower.take()
    assert theirs is not None
    assert theirs.packed is effects.packed


def test_a_lost_append_is_found_by_the_next_heartbeat() -> None:
    """Pipelining must survive a loss without waiting for an election timeout."""
    cluster = led("n1", "n2", "n3")
    cluster.blocked |= {("n1", "n2")}
    cluster.put("n1", b"a")
    cluster.put("n1", b"b")
    cluster.heal()
    cluster.tick(10)

    assert "append_lost" in cluster.seen["n1"].kinds()
    assert 3 == cluster.cores["n2"].state.commit
    assert REPLICATE == peer_state(cluster, "n1", "n2")


def test_reordered_appends_arrive_in_the_end_without_a_timer() -> None:
    cluster = led("n1", "n2", "n3")
    for data in (b"a", b"b", b"c"):
        cluster.propose("n1", data)
        cluster.take("n1")
    cluster.wire.reverse()
    cluster.settle()

    assert [4, 4, 4] == [core.state.commit for core in cluster.cores.values()]


def test_a_lost_acknowledgement_does_not_leave_the_window_full() -> None:
    """Found by simulator seed 6: a window of one append, and its acknowledgement lost."""
    cluster = led("n1", "n2", "n3", options=RaftOptions(window_messages=1))
    cluster.blocked |= {("n2", "n1")}
    cluster.put("n1", b"a")
    cluster.put("n1", b"b")
    cluster.heal()
    cluster.tick(30)

    assert 3 == cluster.cores["n2"].state.commit


def test_the_window_bounds_what_is_on_its_way_to_a_silent_follower() -> None:
    cluster = led("n1", "n2", "n3", options=RaftOptions(window_messages=4))
    cluster.blocked |= {("n2", "n1")}
    cluster.sent.clear()
    for _ in range(20):
        cluster.put("n1", b"x")

    assert 4 == len(appends(cluster, "n1", "n2"))
    assert 20 == len(appends(cluster, "n1", "n3"))


def test_an_append_is_bounded_in_bytes_and_a_larger_entry_travels_alone() -> None:
    cluster = led("n1", "n2", "n3", options=RaftOptions(append_bytes_max=3 * (HEADER_SIZE + 10)))
    cluster.sent.clear()
    for _ in range(7):
        cluster.propose("n1", b"x" * 10)
    cluster.put("n1", b"y" * 1000)

    sizes = [len(message.entries) for message in appends(cluster, "n1", "n2")]
    assert [3 * (HEADER_SIZE + 10)] * 2 + [HEADER_SIZE + 10, HEADER_SIZE + 1000] == sizes
    assert 9 == cluster.cores["n2"].state.commit


def test_a_broken_connection_makes_the_leader_ask_where_the_logs_meet() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n1"].unreachable("n2")

    assert PROBE == peer_state(cluster, "n1", "n2")
    cluster.settle()
    assert REPLICATE == peer_state(cluster, "n1", "n2")


def test_a_proposal_to_a_follower_is_refused_and_names_the_leader() -> None:
    cluster = led("n1", "n2", "n3")
    token = cluster.put("n2", b"x")
    refused = cluster.seen["n2"].refused[-1]

    assert (token, Reason.NOT_LEADER, "n1") == (refused.token, refused.reason, refused.leader)


def test_a_proposal_too_large_is_refused() -> None:
    cluster = led("n1", "n2", "n3", options=RaftOptions(entry_bytes_max=100))
    cluster.put("n1", b"x" * 101)
    cluster.put("n1", b"x" * 100)

    assert [Reason.TOO_LARGE] == [refused.reason for refused in cluster.seen["n1"].refused]
    assert 2 == cluster.cores["n1"].state.commit


def test_what_is_not_committed_is_bounded_in_bytes() -> None:
    options = RaftOptions(uncommitted_bytes_max=10 * (HEADER_SIZE + 71), entry_bytes_max=200)
    cluster = led("n1", "n2", "n3", options=options)
    cluster.isolate("n1")
    for _ in range(12):
        cluster.put("n1", b"x" * 71)
    assert [Reason.OVERLOADED] * 2 == [refused.reason for refused in cluster.seen["n1"].refused]
    cluster.heal()
    cluster.tick(30)
    assert 11 == cluster.cores["n1"].state.commit
    cluster.put("n1", b"x" * 71)

    assert 12 == cluster.cores["n1"].state.commit


def test_a_malformed_append_is_reported_and_dropped() -> None:
    cluster = led("n1", "n2", "n3")
    core = cluster.cores["n2"]
    core.receive("n1", Append(1, 1, 1, 1, 1, b"\x01\x02"))
    core.receive("n1", Append(1, 1, 1, 1, 1, pack([Entry(7, 1, 0, 0, b"a")])))
    cluster.take("n2")

    assert ["append_malformed"] * 2 == cluster.seen["n2"].kinds()[-2:]
    assert 1 == core.state.log.last


def test_an_acknowledgement_beyond_the_leaders_log_is_reported_and_not_counted() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n1"].receive("n2", Appended(1, 99, 1))
    cluster.take("n1")

    assert "ack_beyond_log" in cluster.seen["n1"].kinds()
    assert 1 == cluster.cores["n1"].state.commit


def test_a_follower_that_denies_what_it_acknowledged_is_asked_again_at_the_pace_of_heartbeats_only() -> None:
    """A wiped disk under the old name: no endless exchange at the speed of the network."""
    cluster = led("n1", "n2", "n3")
    cluster.put("n1", b"x")
    cluster.crash("n2")
    del cluster.disks["n2"]
    cluster.cores["n1"].unreachable("n2")
    cluster.start("n2")
    cluster.sent.clear()
    cluster.tick(100)

    assert 1 <= len(appends(cluster, "n1", "n2")) <= 11
    assert 0 == cluster.cores["n2"].state.log.last
