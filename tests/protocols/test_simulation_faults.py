"""Faults of processes, disks and clocks in the simulated world, by the names that live faults use too."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest

from quorate.protocols.core import AddLearner, Configuration, Member, Remove
from quorate.protocols.simulation import Campaign, Settings, World
from quorate.protocols.simulation.clock import NodeClock
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.doom import ACTS, Doom
from quorate.protocols.simulation.invariants import ELECTED, LEADER_COMPLETE, ONE_LEADER, QUORUM_DURABLE
from quorate.protocols.simulation.ledger import COMMITTED_PREFIXES
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND, Schedule
from quorate.protocols.simulation.swarm import FAULTS, swarm
from quorate.protocols.simulation.workload import Operation, Outcome
from tests.contracts.storage import batch, entry, indexes, nobody


def quiet(nodes: int = 3, **more: int) -> Campaign:
    """Clients and no faults."""
    settings = Settings(nodes=nodes, clients=2, compact_every=0)
    for name, value in more.items():
        setattr(settings, name, value)
    return Campaign(RAFT, 1, settings=settings)


def only(fault: str, seed: int, **more: int) -> Campaign:
    """A seed's world in which nothing but this fault happens."""
    settings = swarm(seed)
    settings.weights = tuple(int(name == fault) for name in FAULTS)
    settings.fault_ns = 200 * MILLISECOND
    for name, value in more.items():
        setattr(settings, name, value)
    return Campaign(RAFT, seed, settings=settings)


def until(world: World, condition: Callable[[], bool], events: int = 50_000) -> None:
    for _ in range(events):
        if condition():
            return
        world.step()
    raise AssertionError(f"not within {events} events: {list(world.nodes.values())}")


# --- death at any act ---


def test_doom_counts_the_acts_that_it_is_about() -> None:
    doom = Doom(2, "write")

    assert [False, False, False, True] == [doom.falls(act, None) for act in ("write", "send", "sync", "write")]
    assert [False, True] == [one.falls("send", None) for one in (Doom(2), Doom(1))]


@pytest.mark.parametrize("act", ACTS)
def test_a_node_dies_at_every_kind_of_act(act: str) -> None:
    """Everything that a node does to the world is a place to die: with a trap on each node all kinds of act are met."""
    campaign = quiet(compact_every=5, snapshot_ns=MILLISECOND, timeout_ns=100 * MILLISECOND)
    campaign._safety(2_000)
    world = campaign.world
    if act in ("restore", "stream"):  # a follower that was away so long that it needs a snapshot
        away = next(node for node in world.nodes.values() if not node.leads)
        world.crash(away)
        end = world.watch.ledger.end
        until(world, lambda: world.watch.ledger.end > end + 12_000 // 100)
        away.disk.wipe()
        world.start(away)
        world.run_clock(away)
    died: list[str] = []
    for node in world.nodes.values():
        node.doom = Doom(1, act, after=lambda dead: died.append(dead.name))
    until(world, lambda: bool(died))

    assert world.nodes[died[0]].core is None
    assert 1 == world.coverage.sometimes[f"died after {act}"]


def test_seeds_reach_every_kind_of_death_and_every_branch_of_recovery() -> None:
    reached: Counter[str] = Counter()
    for seed in range(160):
        campaign = Campaign(RAFT, seed)
        result = campaign.run(2_500, liveness=False)
        assert result.violation is None, (seed, result.violation)
        reached.update(result.sometimes)

    expected = {f"died after {act}" for act in ("receive", "send", "write", "sync", "apply", "answer")} | {
        "recovered: nothing",
        "recovered: entries",
        "recovered: snapshot",
        "recovered: snapshot and entries",
        "recovered: torn tail cut",
        "start refused: its log is damaged",
        "start refused: its disk is full",
        "stopped: the disk is full",
        "stopped: an fsync failed",
        "refused: another disk under a known name",
        "a lost disk was replaced",
        "connection closed for a damaged frame",
        "snapshot transfer broken",
        "snapshot_installed",
        "truncated",
        "append_lost",
        "quorum_lost",
        "lease done",
        "lease refused",
        "read done",
        "read refused",
    }
    assert set() == expected - reached.keys()


def test_a_loop_of_deaths_ends() -> None:
    campaign = only("crash_loop", 5)
    result = campaign.run(3_000)

    assert result.violation is None
    assert result.strikes
    assert campaign.world.nodes["n1"].incarnation > 2


def test_all_may_restart_at_the_same_instant() -> None:
    """Some of the strikes let every node begin its next life in one instant."""
    together = 0
    for seed in range(12):
        campaign = only("crash_all", seed, nodes=3)
        starts: list[tuple[int, str]] = []
        start = campaign.world.start

        def told(node: Node, doom: Doom | None = None) -> bool:
            starts.append((campaign.world.schedule.now, node.name))  # noqa: B023
            return start(node, doom)  # noqa: B023

        campaign.world.start = told  # type: ignore[method-assign]
        campaign.run(1_500, liveness=False)
        at = Counter(now for now, _ in starts if now)
        together += sum(count == 3 for count in at.values())

    assert together > 3


# --- disks ---


def disk() -> tuple[Schedule, SimulatedDisk]:
    schedule = Schedule(Random(1))
    return schedule, SimulatedDisk(schedule, Random(1), lambda: MILLISECOND)


@pytest.mark.parametrize("fault", ["fail", "full"])
def test_a_disk_that_fails_says_so_once_and_answers_nothing_more(fault: str) -> None:
    schedule, made = disk()
    told: list[str] = []
    synced: list[int] = []
    made.on_failed = told.append
    if fault == "fail":
        made.fail()
    else:
        made.full = True
    for serial in (1, 2, 3):
        made.write(batch(serial, entry(serial)), synced.append)
    while schedule.step():
        pass

    assert (1, []) == (len(told), synced)


def test_a_full_disk_takes_no_image_and_says_so() -> None:
    campaign = quiet(compact_every=5)
    campaign._safety(800)
    node = campaign.world.nodes["n2"]
    node.disk.full = True
    saved: list[bool] = []
    node.disk.save(node.disk.images[next(iter(node.disk.images))], saved.append)
    until(campaign.world, lambda: bool(saved))

    assert [False] == saved


def test_a_torn_tail_is_seen_at_some_crashes_and_never_without_unsynced_batches() -> None:
    torn = 0
    for seed in range(40):
        schedule = Schedule(Random(seed))
        made = SimulatedDisk(schedule, Random(seed), lambda: MILLISECOND)
        made.crash()
        assert 0 == made.torn
        made.write(batch(1, entry(1)), nobody)
        made.crash()
        assert made.torn == 0 or [] == indexes(made.load())
        torn += made.torn

    assert 5 < torn < 20


def test_no_bit_of_the_last_synced_batch_is_flipped() -> None:
    """It would look like a torn tail, and be cut: no log can tell."""
    schedule, made = disk()
    made.write(batch(1, entry(1)), nobody)
    while schedule.step():
        pass
    assert not made.flip_bit()
    made.write(batch(2, entry(2)), nobody)
    while schedule.step():
        pass

    assert made.flip_bit()
    assert made.damaged


def test_a_node_with_a_damaged_log_stays_down_until_its_disk_is_replaced() -> None:
    campaign = quiet()
    campaign._safety(1_000)
    world = campaign.world
    node = next(node for node in world.nodes.values() if not node.leads)
    assert node.disk.flip_bit()
    assert node.core is not None  # a running node does not read its log
    world.crash(node)

    assert not world.start(node)
    world.wipe(node)
    assert world.start(node)


def test_a_node_whose_replica_stopped_is_silent_though_nobody_hears_of_it() -> None:
    campaign = quiet()
    campaign._safety(1_000)
    world = campaign.world
    leader = world.leader()
    assert leader is not None
    leader.disk.fail()
    until(world, lambda: leader.core is None)
    other = world.leader

    assert "stopped: an fsync failed" in world.coverage.sometimes
    until(world, lambda: (now := other()) is not None and now is not leader)


# --- a disk that was wiped ---


def answered(world: World, name: str, change: AddLearner | Remove) -> Outcome:
    """Ask that node for a change until it is decided."""
    outcomes: list[Outcome] = []
    operation = Operation("change", lambda _, outcome, __: outcomes.append(outcome), change=change)
    world.request(name, operation)
    until(world, lambda: bool(outcomes))
    return outcomes[0]


def test_a_wiped_disk_has_no_vote_under_its_old_name_and_one_again_once_it_was_replaced() -> None:
    """Three nodes, n3 loses its disk. 1. With n2 down as well nobody can be elected and nothing commits: n3 is not heard.
    2. With n2 back, n3 is taken out and in again under its name. 3. Then n3 makes a quorum with the leader, without n2."""
    campaign = quiet()
    campaign._safety(1_000)
    world = campaign.world
    leader = world.leader()
    assert leader is not None
    second, third = (node for node in world.nodes.values() if node is not leader)
    world.crash(third)
    world.wipe(third)
    world.start(third)
    world.run_clock(third)
    world.crash(second)
    campaign._pass(10)
    end = world.watch.ledger.end
    campaign._pass(20)

    assert end == world.watch.ledger.end
    assert 0 == third.machine.applied
    assert world.coverage.sometimes["refused: another disk under a known name"]

    world.start(second)
    world.run_clock(second)
    until(world, lambda: world.leader() is not None)
    campaign._pass(10)
    leading = world.leader()
    assert leading is not None
    assert Outcome.DONE is answered(world, leading.name, Remove(third.name))
    joining = Member(third.name, third.number, third.storage, voter=False, promote=True)
    assert Outcome.DONE is answered(world, leading.name, AddLearner(joining))
    until(world, lambda: third.votes_in(world.watch.ledger.configuration))
    world.crash(next(node for node in world.nodes.values() if node is not leading and node is not third))
    before = world.watch.ledger.end
    campaign._pass(20)

    assert world.watch.ledger.end > before + 10


def test_a_node_that_would_accept_any_disk_is_found() -> None:
    """The rule taken out: a wiped disk votes, and acknowledges, under its old name; seeds of that fault alone find it."""

    class AcceptsAnyDisk(Node):
        def accepts_disk(self, peer: str, storage: str, configuration_index: int = -1) -> bool:
            return True

    found = set()
    for seed in range(120):
        settings = swarm(seed, 3)
        settings.weights = tuple(int(name in ("wipe_disk", "isolate", "halves", "crash")) for name in FAULTS)
        settings.fault_ns = 200 * MILLISECOND
        result = Campaign(RAFT, seed, settings=settings, node_class=AcceptsAnyDisk).run(4_000, liveness=False)
        if result.violation is not None:
            found.add(result.violation.invariant)
            break

    assert found
    assert found <= {ELECTED, ONE_LEADER, LEADER_COMPLETE, QUORUM_DURABLE, COMMITTED_PREFIXES}


def test_a_second_disk_is_not_lost_while_the_rest_would_be_no_quorum() -> None:
    for seed in range(20):
        campaign = only("wipe_disk", seed, nodes=3)
        world = campaign.world
        wipe = world.wipe

        def checked(node: Node) -> None:
            others = [name for name in world.nodes if name != node.name]  # noqa: B023
            assert world.is_quorum(others)  # noqa: B023
            wipe(node)  # noqa: B023

        world.wipe = checked  # type: ignore[method-assign]
        assert campaign.run(2_000).violation is None


# --- clocks ---


def test_a_clock_may_jump_either_way() -> None:
    clock = NodeClock(MILLISECOND, offset_ns=5 * SECOND)
    clock.jump(3 * SECOND)
    assert 8_000 == clock.ticks(0)
    clock.jump(-4 * SECOND)

    assert 4_000 == clock.ticks(0)


def test_a_jump_back_is_no_time_at_all_for_the_core() -> None:
    campaign = quiet()
    campaign._safety(1_000)
    node = campaign.world.nodes["n1"]
    told: list[int] = []
    assert node.core is not None
    tick = node.core.tick
    node.core.tick = lambda elapsed=1: (told.append(elapsed), tick(elapsed))[1]  # type: ignore[method-assign]
    node.clock.jump(-10 * SECOND)
    campaign._pass(1)

    assert told
    assert min(told) >= 1
    assert sum(told) <= RAFT.election_ticks + 2


def test_no_world_has_both_clocks_that_jump_and_reads_by_lease() -> None:
    at = FAULTS.index("jump")
    worlds = [swarm(seed) for seed in range(200)]

    assert [] == [world for world in worlds if world.weights[at] and world.lease_ppm]
    assert any(world.weights[at] for world in worlds)
    assert any(world.lease_ppm for world in worlds)


def test_a_wiped_node_knows_no_cluster() -> None:
    campaign = quiet()
    campaign._safety(500)
    node = campaign.world.nodes["n2"]
    number = node.number
    campaign.world.crash(node)
    campaign.world.wipe(node)

    assert (Configuration(), True) == (node.bootstrap, node.number > max(number, 3))
