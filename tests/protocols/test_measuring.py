"""What the simulator measures of engines: counts that are laws, figures that a seed alone decides, and faults that do what they say."""

import os
import subprocess
import sys

import pytest

from quorate.protocols.kraft import KRaftOptions
from quorate.protocols.logship import LogshipOptions
from quorate.protocols.multipaxos import MultiPaxosOptions
from quorate.protocols.raft import RaftOptions
from quorate.protocols.simulation.engines import load
from quorate.protocols.simulation.measuring.basic import basic
from quorate.protocols.simulation.measuring.catching import catch_up
from quorate.protocols.simulation.measuring.commits import batched, contended, idle, lone
from quorate.protocols.simulation.measuring.elections import crash, crash_with_lag
from quorate.protocols.simulation.measuring.partitions import LASTS_NS, SHAPES, behaviour, in_the_middle, star
from quorate.protocols.simulation.measuring.rig import COUNTABLE, Physics, Rig, Stuck
from quorate.protocols.simulation.network import frame_bytes
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND
from quorate.protocols.simulation.shapes import isolate
from quorate.protocols.zab import ZabOptions

FIGURES = {"election_ticks": 100, "heartbeat_ticks": 10, "lease_ticks": 15, "commit_ticks": 1}
OPTIONS = {
    "raft": RaftOptions(**FIGURES, starts_quickly=True),
    "zab": ZabOptions(**FIGURES),
    "kraft": KRaftOptions(**FIGURES, starts_quickly=True),
    "multipaxos": MultiPaxosOptions(**FIGURES, starts_quickly=True),
}
RAFT, RAFT_OPTIONS = load("raft"), OPTIONS["raft"]


# --- laws ---


@pytest.mark.parametrize(
    ("engine", "kinds"),
    [
        # One append to each of two followers, one acknowledgement each when it is durable there; and since no other write follows to
        # carry the commit index, a notice to each at the next tick.
        ("raft", {"Append": 2, "Appended": 2, "Commit": 2}),
        ("zab", {"Proposal": 2, "Ack": 2, "Commit": 2}),
        ("multipaxos", {"Accept": 2, "Accepted": 2, "Chosen": 2}),
        # The parked fetch of each follower is answered with the entry; it fetches on at once, tells its new durable offset by the same
        # fetch, hears of the high watermark, and fetches on.
        ("kraft", {"Fetch": 6, "Fetched": 4}),
    ],
)
def test_a_lone_write_in_three_nodes_costs_these_messages(engine: str, kinds: dict[str, int]) -> None:
    cost = lone(load(engine), OPTIONS[engine], frame_bytes, 1)

    assert kinds == cost.kinds
    assert sum(kinds.values()) == cost.messages
    # There and back; the follower's fsync lies between, and the leader's own runs meanwhile.
    assert (2, 1) == (cost.delays, cost.fsyncs_before)
    assert 3 == cost.fsyncs


@pytest.mark.parametrize("nodes", [3, 5])
def test_a_lone_write_costs_three_messages_for_each_follower_of_raft(nodes: int) -> None:
    assert 3 * (nodes - 1) == lone(RAFT, RAFT_OPTIONS, frame_bytes, 1, nodes=nodes).messages


def test_who_asks_another_node_than_the_leader_pays_the_way_to_it() -> None:
    cost = lone(RAFT, RAFT_OPTIONS, frame_bytes, 1, at_leader=False)

    assert (4, True) == (cost.delays, cost.redirected)


def test_two_writes_at_two_nodes_at_once_cost_two_writes_where_one_leader_orders_them() -> None:
    cost = contended(RAFT, RAFT_OPTIONS, frame_bytes, 1)

    assert (4, 6) == (cost.delays, cost.fsyncs)
    assert 10 <= cost.messages <= 12  # one notice of the commit index may do for both


def test_reads_write_nothing_and_a_lease_sends_nothing() -> None:
    read, elsewhere, lease = (
        lone(RAFT, RAFT_OPTIONS, frame_bytes, 1, kind=kind, at_leader=leader)
        for kind, leader in (("read", True), ("read", False), ("lease", True))
    )

    assert ({"Heartbeat": 2, "HeartbeatReply": 2}, 2, 0) == (read.kinds, read.delays, read.fsyncs)
    assert (6, 4, False) == (elsewhere.messages, elsewhere.delays, elsewhere.redirected)
    assert (0, 0, 0) == (lease.messages, lease.delays, lease.fsyncs)


def test_writes_that_meet_in_a_turn_share_messages_and_fsyncs() -> None:
    messages, _, fsyncs = batched(RAFT, RAFT_OPTIONS, frame_bytes, 1, 64)

    assert 3 / 64 == fsyncs
    assert 4 / 64 <= messages <= 6 / 64


def test_an_idle_leader_and_its_followers_beat_ten_times_a_second_each_way() -> None:
    messages, _, kinds = idle(RAFT, RAFT_OPTIONS, frame_bytes, 1)

    assert (40.0, {"Heartbeat": 200, "HeartbeatReply": 200}) == (messages, kinds)


def test_basic_paxos_pays_two_phases_and_a_proposers_fsync_for_each_value() -> None:
    cost = basic(lambda message: 1)

    assert {"Prepare": 2, "Promise": 2, "Accept": 2, "Accepted": 2} == cost.kinds
    assert (4, 3, 7) == (cost.delays, cost.fsyncs_before, cost.fsyncs)


# --- crashes ---


def test_closed_connections_are_heard_of_at_once_and_silence_after_an_election_timeout() -> None:
    closed, silent = (crash(RAFT, RAFT_OPTIONS, frame_bytes, 1, nodes=3, closes=closes) for closes in (True, False))
    timeout_ns = 100 * 10 * MILLISECOND

    assert closed.elected_ns < timeout_ns // 2
    # The last heartbeat may have come shortly before the crash, or one period earlier.
    assert silent.elected_ns > timeout_ns - 10 * 10 * MILLISECOND
    assert all(each.elected_ns < each.served_ns and each.messages < each.served_messages and each.rounds == 1 for each in (closed, silent))


def test_a_follower_that_lags_is_not_elected_and_holds_up_a_quorum_that_needs_it() -> None:
    needed, needless = (crash_with_lag(RAFT, RAFT_OPTIONS, frame_bytes, 1, nodes=nodes, lag=5_000) for nodes in (3, 5))

    assert not needed.leader_lagged
    assert needed.served_ns - needed.elected_ns > needless.served_ns - needless.elected_ns
    assert needed.aligned_ns >= needed.served_ns


def test_catching_up_by_a_snapshot_sends_what_is_left_instead_of_what_happened() -> None:
    log, snapshot = (catch_up(RAFT, RAFT_OPTIONS, frame_bytes, 1, by_snapshot=by, lag=13_000) for by in (False, True))

    assert log.bytes > 4 * snapshot.bytes
    assert snapshot.took_ns < log.took_ns


def test_a_way_of_catching_up_that_was_not_taken_is_not_measured() -> None:
    """What lies within the margin that engines keep below a snapshot is sent from the log."""
    with pytest.raises(Stuck, match="caught up by the log, where a snapshot was to be measured"):
        catch_up(RAFT, RAFT_OPTIONS, frame_bytes, 1, by_snapshot=True, lag=3_000)


# --- partitions ---


def test_a_star_leaves_only_the_links_of_its_middle() -> None:
    names = ["n1", "n2", "n3", "n4", "n5"]
    pairs = {(one, other) for one in names for other in names if one != other}

    assert {pair for pair in pairs if "n5" in pair} == pairs - set(star(names))


def test_the_middle_of_a_bridge_is_the_leader_where_it_shall_be() -> None:
    assert ["n2", "n3", "n1", "n4", "n5"] == in_the_middle(["n1", "n2", "n3", "n4", "n5"])


@pytest.mark.parametrize(
    ("shape", "leader"),
    [
        ("leader cut off", "another"),
        ("leader deaf", "another"),
        ("one link cut", "the old leader"),
        ("star, leader at its edge", "another"),
    ],
)
def test_who_leads_under_a_partition(shape: str, leader: str) -> None:
    found = behaviour(RAFT, RAFT_OPTIONS, frame_bytes, 1, next(each for each in SHAPES if each.name == shape))

    assert leader == found.leader
    assert (0 if leader == "the old leader" else 1) == found.changes
    # What is not available is the gap of the election.
    assert 0 < found.gap_ms < (1 - found.available) * LASTS_NS / MILLISECOND + 300


def test_a_write_is_acknowledged_when_two_of_three_disks_hold_it_and_by_log_shipping_when_one_does() -> None:
    alone = SHAPES[0]
    raft = behaviour(RAFT, RAFT_OPTIONS, frame_bytes, 1, alone)
    shipped = behaviour(load("logship"), LogshipOptions(), frame_bytes, 1, alone)

    assert (2, "another") == (raft.disks, raft.leader)
    assert (1, "the old leader", 1.0) == (shipped.disks, shipped.leader, shipped.available)


# --- the rig ---


def rig(seed: int = 1) -> Rig:
    return Rig(RAFT, RAFT_OPTIONS, frame_bytes, seed, physics=COUNTABLE)


def test_what_does_not_come_is_an_error_that_says_what_was_waited_for() -> None:
    world = rig()
    leader = world.boot()
    world.network.cut(isolate(list(world.nodes), leader.name))
    request = world.ask(leader)

    with pytest.raises(Stuck, match=r"raft, seed 1: an answer took more than 0\.1 s"):
        world.run(lambda: request.done, SECOND // 10, "an answer")


def test_a_cut_link_counts_what_was_sent_into_it() -> None:
    world = rig()
    leader = world.boot()
    world.network.cut(isolate(list(world.nodes), leader.name))
    before = world.counts.copy()
    world.ask(leader)

    assert {"Append": 2} == world.counts.since(before).messages


def test_frames_wait_for_those_before_them_on_their_link() -> None:
    slow = Rig(RAFT, RAFT_OPTIONS, lambda message: 1_000, 1, physics=Physics(fsync_ns=0, bytes_per_s=1_000_000))
    leader = slow.boot()
    slow.rest(SECOND)
    first = slow.ask(leader)
    second = slow.ask(leader)
    slow.run(lambda: first.done and second.done, SECOND, "two writes")

    # 1 ms on the line and 1 ms on the way, there and back; the second frame stands behind the first.
    assert 4 * MILLISECOND == first.took_ns
    assert second.took_ns == first.took_ns + MILLISECOND


PRINTS = """
from tests.protocols.test_measuring import *
for engine in OPTIONS:
    one = load(engine), OPTIONS[engine], frame_bytes, 3
    print(lone(*one), crash(*one, nodes=5, closes=True), crash_with_lag(*one, nodes=3, lag=100))
print(behaviour(RAFT, RAFT_OPTIONS, frame_bytes, 3, SHAPES[2]))
"""


def test_a_seed_gives_the_same_figures_whatever_hashes_are() -> None:
    def said(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run([sys.executable, "-c", PRINTS], capture_output=True, text=True, check=True, env=environment).stdout

    first = said("1")

    assert 5 == len(first.splitlines())
    assert first == said("2")
