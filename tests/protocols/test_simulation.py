"""The simulated world itself: deterministic, fast enough, and able to see what it is there to see."""

import os
import subprocess
import sys
from dataclasses import replace
from random import Random

import pytest

from quorate.protocols.core import Configuration, Effects, Entry, Kind, Snapshot
from quorate.protocols.simulation import Campaign, Result, Settings, Violation, World, swarm
from quorate.protocols.simulation.campaign import CONVERGENCE, PROGRESS
from quorate.protocols.simulation.clock import DRIFT_MAX_PPM, NodeClock
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.invariants import LEADER_COMPLETE, LOG_MATCHING, QUORUM_DURABLE, SNAPSHOT_STATE
from quorate.protocols.simulation.ledger import APPLIED_ONCE, COMMITTED_PREFIXES, REFUSED_IS_DEFINITE, Ledger
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND, Schedule
from quorate.protocols.simulation.swarm import FAULTS
from quorate.protocols.simulation.world import member
from tests.protocols.toy_core import TOY, ToyCore

MEMBERSHIP = ("add_learner", "promote", "remove", "wipe_disk", "flip_bit")
"""Asked for, or needed to get over it: a member without its disk is replaced."""


def toy_settings(seed: int) -> Settings:
    """What the toy engine can live with: no membership changes, no snapshots."""
    settings = swarm(seed)
    settings.compact_every = 0
    settings.weights = tuple(0 if name in MEMBERSHIP else weight for name, weight in zip(FAULTS, settings.weights))
    return settings


def run_toy(seed: int, disk_class: type[SimulatedDisk] = SimulatedDisk) -> Result:
    return Campaign(TOY, seed, settings=toy_settings(seed), disk_class=disk_class).run(2_000, liveness=False)


# --- determinism ---

TRACE_OF_A_SEED = """
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.raft_view import RAFT
for seed in (3, 21, 43):
    campaign = Campaign(RAFT, seed, trace=True)
    result = campaign.run(1500)
    print(result.events, result.fingerprint, campaign.world.trace.digest, result.violation)
    print(result.strikes, result.coverage, result.sometimes)
"""


def test_a_seed_gives_the_same_trace_under_any_hash_seed() -> None:
    """Three processes with different string hashing print the same events, fingerprints and texts."""
    told = set()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        told.add(
            subprocess.run([sys.executable, "-c", TRACE_OF_A_SEED], env=environment, capture_output=True, text=True, check=True).stdout
        )

    assert 1 == len(told), told


def test_tracing_does_not_change_what_happens() -> None:
    assert Campaign(RAFT, 5).run(1_000).fingerprint == Campaign(RAFT, 5, trace=True).run(1_000).fingerprint


def test_seeds_differ() -> None:
    assert 20 == len({Campaign(RAFT, seed).run(300, liveness=False).fingerprint for seed in range(20)})


def test_clocks_never_run_backwards_and_stay_within_their_bound() -> None:
    rng, clock, now, before = Random(1), NodeClock(1_000_000, offset_ns=77), 0, 0
    for _ in range(500):
        now += rng.randrange(10_000_000)
        if rng.random() < 0.2:
            clock.drift(now, rng.choice((-DRIFT_MAX_PPM, DRIFT_MAX_PPM)))
        local = clock.local_ns(now)
        assert local >= before
        assert abs(local - 77 - now) <= now * DRIFT_MAX_PPM // 1_000_000 + 500
        before = local


def test_events_of_one_instant_run_in_a_seeded_order() -> None:
    def order(seed: int) -> list[int]:
        schedule, ran = Schedule(Random(seed)), list[int]()
        for number in range(8):
            schedule.after(5, ran.append, number)
        while schedule.step():
            pass
        return ran

    assert order(1) == order(1)
    assert order(1) != order(2)


# --- the ordinary workload on a sound engine ---


def test_raft_keeps_every_invariant_on_ordinary_seeds() -> None:
    """A small sample for every test run; CI and people run more with the command."""
    broken = [result for result in (Campaign(RAFT, seed).run(2_500) for seed in range(40)) if result.violation is not None]

    assert [] == [(result.seed, str(result.violation)) for result in broken]


def test_the_sample_reaches_every_fault_and_every_outcome() -> None:
    seen: dict[str, int] = {}
    for seed in range(100, 180):
        settings = swarm(seed)
        settings.fault_ns = 100 * MILLISECOND
        for name, count in Campaign(RAFT, seed, settings=settings).run(3_000, liveness=False).counts.items():
            seen[name] = seen.get(name, 0) + count
    outcomes = [
        f"{kind} {outcome}" for kind in ("write", "read", "lease", "change", "transfer") for outcome in ("done", "refused", "unknown")
    ]

    assert [] == [name for name in (*FAULTS, *outcomes) if not seen.get(name)]


def test_the_toy_engine_keeps_the_invariants_that_it_has() -> None:
    assert [None] * 30 == [run_toy(seed).violation for seed in range(30)]


# --- what must be seen is seen: broken drivers and disks under the toy engine ---


def found(seeds: range, disk_class: type[SimulatedDisk]) -> set[str]:
    """The invariants that a few seeds of the ordinary workload report."""
    violations = [run_toy(seed, disk_class).violation for seed in seeds]
    return {violation.invariant for violation in violations if violation is not None}


def test_a_disk_that_lies_about_fsync_is_found() -> None:
    class Lies(SimulatedDisk):
        def crash(self) -> None:
            super().crash()
            last = max(self.durable.entries, default=0)
            self.durable.entries.pop(last, None)

    assert {QUORUM_DURABLE, LEADER_COMPLETE} & found(range(40), Lies)


def test_no_progress_of_a_healed_quorum_is_found() -> None:
    """The toy engine elects nobody: with its only leader outside the healed quorum it stands still."""
    settings = toy_settings(1)
    settings.nodes, settings.clients = 3, 1
    campaign = Campaign(TOY, 1, settings=settings)
    campaign._quorum = lambda: ["n2", "n3"]  # type: ignore[method-assign]
    campaign.world.start = lambda node: None if node.name == "n1" else node.start()  # type: ignore[method-assign]
    result = campaign.run(100)

    assert result.violation is not None
    assert PROGRESS == result.violation.invariant


# --- the ledger ---


def command(index: int, term: int = 1, origin: int = 0, data: bytes = b"x") -> Entry:
    return Entry(index, term, origin or index, Kind.COMMAND, data)


def ledger() -> Ledger:
    made = Ledger(World(TOY, Settings(), 1).bootstrap)
    made.commit(command(1), "n1", 1)
    made.commit(command(2), "n1", 1)
    return made


@pytest.mark.parametrize(
    ("entry", "invariant"),
    [
        (command(2, data=b"y"), COMMITTED_PREFIXES),
        (command(2, term=3), COMMITTED_PREFIXES),
        (command(4), COMMITTED_PREFIXES),
        (command(3, origin=1), APPLIED_ONCE),
    ],
)
def test_the_ledger_refuses_a_second_history(entry: Entry, invariant: str) -> None:
    with pytest.raises(Violation) as caught:
        ledger().commit(entry, "n2", 1)

    assert invariant == caught.value.invariant


def test_a_refused_proposal_must_not_commit_later_nor_have_committed_before() -> None:
    after, before = ledger(), ledger()
    after.refused(3, "n1")

    with pytest.raises(Violation, match=REFUSED_IS_DEFINITE):
        after.commit(command(3), "n1", 1)
    with pytest.raises(Violation, match=REFUSED_IS_DEFINITE):
        before.refused(2, "n1")


# --- the watch, on effects that no sound core gives ---


def watched(effects: Effects) -> str:
    """The invariant that the second of two nodes breaks by taking these effects, after three committed entries."""
    campaign = Campaign(TOY, 1, settings=Settings(nodes=3, clients=1, compact_every=0, read_ppm=0))
    campaign.run(600, liveness=False)
    node = campaign.world.nodes["n2"]
    assert isinstance(node.core, ToyCore)
    with pytest.raises(Violation) as caught:
        campaign.world.watch.took(node, node.core, effects)
        node.written.add(effects)
        campaign.world.watch.wrote(node, node.core, effects)
    return caught.value.invariant


def test_two_entries_of_one_index_and_term_are_found() -> None:
    assert LOG_MATCHING == watched(Effects(9_999, entries=[command(2, data=b"another")]))


def test_a_snapshot_past_the_commit_point_is_found() -> None:
    assert SNAPSHOT_STATE == watched(Effects(9_999, snapshot=Snapshot("s", 10_000, 1, Configuration())))


def test_bounds_are_stated_in_virtual_time() -> None:
    """Liveness bounds are minutes of virtual time, so that a run that stands still ends."""
    campaign = Campaign(RAFT, 1)

    assert campaign._timeouts(1) == RAFT.election_ticks * campaign.settings.tick_ns < 10 * SECOND
    assert PROGRESS != CONVERGENCE


# --- what is owed ---


def test_no_client_goes_to_sleep_while_progress_is_owed_and_nothing_is_owed_while_all_sleep() -> None:
    """KRaft's seed 41590: a lone client slept for longer than the bound."""
    campaign = Campaign(RAFT, 1, settings=Settings(clients=1, nap_ppm=1_000_000))
    campaign.run(1, liveness=False)
    while not campaign.workload.asleep_ns():
        campaign.world.step()
    wakes_ns = campaign.world.schedule.now + campaign.workload.asleep_ns()
    campaign.workload.patient = True
    campaign.world.schedule.run_until(wakes_ns - 1)
    asleep = campaign.workload.counts.copy()
    campaign.world.schedule.run_until(wakes_ns + SECOND)

    assert sum(asleep.values()) + 10 < sum(campaign.workload.counts.values())
    assert 0 == campaign.workload.asleep_ns()


def test_a_learner_that_the_leader_will_promote_counts_as_a_voter_who_may_be_missing() -> None:
    """Found by seeds 1001587, 1006993 and 1008323: progress was demanded of a quorum that a promotion made too small."""
    world = World(RAFT, Settings(nodes=3), seed=1)
    joining = member(4, voter=False, promote=True)
    world.add(joining, Configuration())
    world.watch.ledger.configuration = replace(world.bootstrap, index=1).with_member(joining)

    assert not world.is_quorum(["n1", "n2"])
    assert world.is_quorum(["n1", "n2", "n3"])
    assert world.is_quorum(["n1", "n2", "n4"])

    world.watch.ledger.configuration = replace(world.bootstrap, index=1).with_member(member(4, voter=False))

    assert world.is_quorum(["n1", "n2"])
