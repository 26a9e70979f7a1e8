"""Snapshots and compaction, and failover by a broken connection. Ongaro's thesis, chapter 5; consensus.md, "fast failover"."""

from random import Random
from statistics import median

import pytest

from quorate.protocols.core import CoreFactory, Entry, Snapshot
from quorate.protocols.kraft import KRaftOptions, kraft
from quorate.protocols.log import pack
from quorate.protocols.progress import PROBE, SNAPSHOT
from quorate.protocols.raft import HardState, RaftOptions, raft
from quorate.protocols.raft.messages import Append, Appended, Heartbeat
from quorate.protocols.terms.roles import Leader
from tests.protocols.raft_cluster import Cluster, appends, configuration

NO_MARGIN = RaftOptions(margin_entries=0)


def led(*names: str, options: RaftOptions | None = None) -> Cluster:
    cluster = Cluster(*names, options=options)
    cluster.elect(names[0])
    cluster.settle()
    return cluster


def snapshot_of(cluster: Cluster, name: str) -> Snapshot:
    """What the runtime would freeze there now."""
    state = cluster.cores[name].state
    term = state.log.term_at(state.commit)
    assert term is not None
    return Snapshot(f"{name}-{state.commit}", state.commit, term, state.configuration)


def compact(cluster: Cluster, name: str) -> Snapshot:
    snapshot = snapshot_of(cluster, name)
    cluster.cores[name].compact(snapshot)
    cluster.settle()
    return snapshot


def behind(options: RaftOptions = NO_MARGIN) -> tuple[Cluster, Snapshot]:
    """n3 was away while the others went on and dropped what it lacks."""
    cluster = led("n1", "n2", "n3", options=options)
    cluster.isolate("n3")
    for number in range(10):
        cluster.put("n1", b"%d" % number)
    snapshot = compact(cluster, "n1")
    cluster.heal()
    cluster.tick(15)
    return cluster, snapshot


def state_of(cluster: Cluster, name: str) -> str:
    role = cluster.cores["n1"].state.role
    assert isinstance(role, Leader)
    return role.peers[name].state


def test_compaction_drops_the_log_up_to_the_snapshot_less_a_margin() -> None:
    cluster = led("n1", "n2", "n3", options=RaftOptions(margin_entries=4))
    for _ in range(9):
        cluster.put("n1", b"x")
    snapshot = compact(cluster, "n1")

    assert 10 == snapshot.index
    assert 7 == cluster.cores["n1"].status.first
    assert snapshot == cluster.disks["n1"].snapshot


def test_an_older_snapshot_than_the_last_changes_nothing() -> None:
    cluster = led("n1", "n2", "n3", options=NO_MARGIN)
    old = snapshot_of(cluster, "n1")
    cluster.put("n1", b"x")
    new = compact(cluster, "n1")
    cluster.cores["n1"].compact(old)
    cluster.settle()

    assert new == cluster.disks["n1"].snapshot


def test_a_follower_within_the_margin_needs_no_snapshot() -> None:
    cluster, _ = behind(RaftOptions(margin_entries=100))

    assert not cluster.seen["n1"].transfers
    assert 11 == cluster.cores["n3"].state.commit


def test_a_follower_below_the_log_is_sent_the_snapshot_once_and_only_heartbeats_meanwhile() -> None:
    cluster, snapshot = behind()
    cluster.sent.clear()
    cluster.tick(50)

    assert [("n3", snapshot)] == [(one.to, one.snapshot) for one in cluster.seen["n1"].transfers]
    assert SNAPSHOT == state_of(cluster, "n3")
    assert {Heartbeat} == {type(message) for sender, to, message in cluster.sent if (sender, to) == ("n1", "n3")}


def test_a_received_snapshot_replaces_the_state_and_replication_goes_on_behind_it() -> None:
    cluster, snapshot = behind()
    cluster.put("n1", b"after")
    cluster.cores["n3"].received("n1", snapshot)
    cluster.cores["n1"].transferred("n3", snapshot, True)
    cluster.tick(15)

    assert [b"after"] == cluster.commands("n3")
    assert snapshot == cluster.disks["n3"].snapshot
    assert 12 == cluster.cores["n3"].state.commit


def test_the_acknowledgement_of_a_snapshot_alone_ends_its_transfer() -> None:
    cluster, snapshot = behind()
    cluster.cores["n3"].received("n1", snapshot)
    cluster.settle()
    cluster.put("n1", b"after")

    assert [b"after"] == cluster.commands("n3")


def test_a_failed_transfer_is_tried_again_after_a_while() -> None:
    cluster, snapshot = behind()
    cluster.cores["n1"].transferred("n3", snapshot, False)
    cluster.tick(cluster.options.transfer_retry_ticks - 1)
    assert 1 == len(cluster.seen["n1"].transfers)
    assert PROBE == state_of(cluster, "n3")
    cluster.tick(10)

    assert 2 == len(cluster.seen["n1"].transfers)


def test_a_transfer_whose_end_nobody_reports_is_given_up() -> None:
    cluster, _ = behind(RaftOptions(margin_entries=0, transfer_ticks_max=200, transfer_retry_ticks=20))
    cluster.tick(260)

    assert 2 == len(cluster.seen["n1"].transfers)


def test_no_snapshot_is_sent_to_a_silent_node() -> None:
    cluster = led("n1", "n2", "n3", options=NO_MARGIN)
    cluster.crash("n3")
    for _ in range(5):
        cluster.put("n1", b"x")
    cluster.tick(150)
    compact(cluster, "n1")
    cluster.tick(150)
    assert not cluster.seen["n1"].transfers
    cluster.restart("n3")
    cluster.tick(30)

    assert 1 == len(cluster.seen["n1"].transfers)


def test_a_snapshot_that_is_behind_the_commit_index_is_refused() -> None:
    cluster = led("n1", "n2", "n3")
    old = snapshot_of(cluster, "n1")
    cluster.put("n1", b"x")
    cluster.cores["n2"].received("n1", old)
    cluster.settle()

    assert cluster.disks["n2"].snapshot is None
    assert 2 == cluster.cores["n2"].state.commit


def test_a_snapshot_that_the_log_already_holds_commits_and_drops_nothing() -> None:
    """The log matches at its index: the suffix is kept, and no proposal is passed over."""
    cluster = led("n1", "n2", "n3")
    core = cluster.cores["n2"]
    core.receive("n1", Append(1, 1, 1, 1, 1, pack([Entry(index, 1, 0, 0, b"%d" % index) for index in (2, 3, 4)])))
    core.received("n1", Snapshot("s", 3, 1, configuration("n1", "n2", "n3")))
    cluster.take("n2")

    assert [2, 3] == [entry.index for entry in cluster.seen["n2"].committed if entry.index > 1]
    assert cluster.disks["n2"].snapshot is None
    assert 4 == core.state.log.last


def test_a_snapshot_replaces_a_log_that_does_not_match_it() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.isolate("n3")
    core = cluster.cores["n3"]
    core.receive("n1", Append(1, 1, 1, 1, 1, pack([Entry(index, 1, 0, 0, b"lost") for index in range(2, 9)])))
    cluster.take("n3")
    cluster.wire.clear()
    snapshot = Snapshot("s", 5, 2, configuration("n1", "n2", "n3"))
    core.receive("n2", Heartbeat(2, 0, 1))
    core.received("n2", snapshot)
    cluster.take("n3")

    assert (6, 5, 5, 5) == (core.status.first, core.status.last, core.status.commit, core.status.durable)
    assert {} == cluster.disks["n3"].entries
    assert Appended(2, 5, 0) == cluster.sent[-1][2]
    cluster.crash("n3")
    assert 5 == cluster.restart("n3").state.commit


def test_a_restart_from_snapshot_and_log_goes_on_where_it_was() -> None:
    cluster = led("n1", "n2", "n3", options=NO_MARGIN)
    for _ in range(5):
        cluster.put("n1", b"x")
    compact(cluster, "n2")
    cluster.put("n1", b"y")
    cluster.crash("n2")
    core = cluster.restart("n2")
    assert (6, 7, 7) == (core.state.commit, core.state.log.last, core.state.log.first)
    cluster.tick(20)

    assert [b"y"] == cluster.commands("n2")


def test_a_new_member_far_behind_catches_up_by_snapshot_and_learns_the_configuration_from_it() -> None:
    cluster = led("n1", "n2", "n3", options=NO_MARGIN)
    cluster.put("n1", b"x")
    snapshot = compact(cluster, "n1")
    cluster.start("n4", members=configuration())
    cluster.cores["n4"].receive("n1", Heartbeat(1, 0, 1))
    cluster.cores["n4"].received("n1", snapshot)
    cluster.settle()

    assert ("n1", "n2", "n3") == cluster.cores["n4"].configuration.names
    assert "learner" == cluster.cores["n4"].status.role


# Failover by a broken connection


def kill_leader(cluster: Cluster) -> int:
    """kill -9: its connections close at once. Ticks until another leads, all clocks running alike."""
    dead = cluster.leader()
    cluster.crash(dead)
    for core in cluster.cores.values():
        core.unreachable(dead)
    for ticks in range(1, 1000):
        cluster.tick()
        if any(isinstance(core.state.role, Leader) for core in cluster.cores.values()):
            return ticks
    raise AssertionError("nobody leads")


def test_a_dead_leader_is_replaced_soon_after_its_lease() -> None:
    """Instead of one to two election timeouts: the promise to its lease, and tens of milliseconds."""
    gaps = []
    for seed in range(30):
        cluster = led("n1", "n2", "n3")
        for name, core in cluster.cores.items():
            core.state.rng = Random(f"{seed} {name}")
        cluster.tick(30 + seed % 10)
        cluster.put("n1", b"under load")
        gaps.append(kill_leader(cluster))
    promise = RaftOptions().promise_ticks

    assert promise <= min(gaps)
    assert median(gaps) <= promise + 6
    assert max(gaps) < RaftOptions().election_ticks


def test_nobody_votes_before_the_promise_to_the_lease_is_over() -> None:
    """The hint ends stickiness, never the promise: the old leader may still answer lease reads."""
    cluster = led("n1", "n2", "n3")
    cluster.tick(30)
    cluster.put("n1", b"x")
    cluster.isolate("n1")
    for name in ("n2", "n3"):
        cluster.cores[name].unreachable("n1")
    for _ in range(RaftOptions().lease_ticks):
        cluster.tick()
        token = cluster.token()
        cluster.cores["n1"].read(token, lease=True)
        cluster.settle()
        served = token in [ready.token for ready in cluster.seen["n1"].reads]
        others = [name for name in ("n2", "n3") if isinstance(cluster.cores[name].state.role, Leader)]
        assert not (served and others)
    cluster.tick(20)

    assert [1] == [len([name for name in ("n2", "n3") if isinstance(cluster.cores[name].state.role, Leader)])]


def test_a_cut_link_alone_deposes_no_leader_that_a_majority_hears() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.blocked |= {("n1", "n3"), ("n3", "n1")}
    cluster.cores["n3"].unreachable("n1")
    cluster.cores["n1"].unreachable("n3")
    cluster.tick(600)

    assert "n1" == cluster.leader()
    assert [1, 1, 1] == [core.state.term for core in cluster.cores.values()]


def test_a_flapping_link_raises_no_terms() -> None:
    cluster = led("n1", "n2", "n3")
    for _ in range(60):
        cluster.blocked |= {("n1", "n3"), ("n3", "n1")}
        cluster.cores["n3"].unreachable("n1")
        cluster.cores["n1"].unreachable("n3")
        cluster.tick(7)
        cluster.heal()
        cluster.tick(4)
    cluster.tick(15)

    assert [1, 1, 1] == [core.state.term for core in cluster.cores.values()]
    assert "n1" == cluster.cores["n3"].leader


def test_a_broken_connection_to_a_follower_starts_no_election() -> None:
    cluster = led("n1", "n2", "n3")
    cluster.cores["n2"].unreachable("n3")
    cluster.tick(60)

    assert "pre_vote" not in cluster.seen["n2"].kinds()


def test_the_appends_to_a_restarted_follower_begin_where_its_log_ends() -> None:
    cluster = led("n1", "n2", "n3")
    for _ in range(5):
        cluster.put("n1", b"x")
    cluster.crash("n3")
    cluster.cores["n1"].unreachable("n3")
    cluster.put("n1", b"y")
    cluster.restart("n3")
    cluster.sent.clear()
    cluster.tick(15)

    assert 7 == cluster.cores["n3"].state.commit
    assert 7 == appends(cluster, "n1", "n3")[0].previous_index + 1


@pytest.mark.parametrize(("make", "options"), [(raft, RaftOptions()), (kraft, KRaftOptions())], ids=["raft", "kraft"])
def test_a_late_snapshot_brings_its_term_along(make: CoreFactory, options: object) -> None:
    """Seed 3010940. 1. n2 streams a snapshot to n1. 2. n1 loses its disk and starts anew, in term 0. 3. The transfer ends there.
    4. n1 restarts: its log may not be ahead of its term."""
    members = configuration("n1", "n2")
    snapshot = Snapshot("n2-5", 5, 3, members)
    core = make("n1", members, options, Random(1), 1, None, None, [])
    core.received("n2", snapshot)
    effects = core.take()

    assert effects is not None
    assert (HardState(3, ""), snapshot) == (effects.promise, effects.snapshot)
    assert 3 == make("n1", members, options, Random(1), 2, effects.promise, effects.snapshot, []).status.term
