"""Safeguards that the random workload seldom needs, each shown on a fixed schedule: it holds, and without the safeguard it does not."""

import pytest

from quorate.protocols.simulation.invariants import FRESH_LEASE_READ
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.scenario import Scenario
from tests.protocols.ablations import (
    BreaksLeasePromises,
    Broken,
    FeedsBeforeTicking,
    ForgetsPromisesAtStart,
    KeepsLeaseDuringHandOver,
    LeaseFromTheAnswer,
    NoPreVote,
)

STALLED_LEADER = """
cluster 3 election_ticks=20 heartbeat_ticks=2 lease_ticks=5
elect n1
tick n1 2
settle
cut n1
tick n3 20
elect n2
propose n2 x
settle
stall n1 50
lease n1
----
"""

DEPOSED_WITHIN_ITS_LEASE = """
cluster 3 election_ticks=100 heartbeat_ticks=10 lease_ticks=25
elect n1
tick n1 10
settle
cut n1
unreachable n2 n1
unreachable n3 n1
tick n3
tick n2 6
settle
propose n2 x
settle
lease n1
----
"""

VOTER_RESTARTS_WITHIN_THE_LEASE = """
cluster 3 election_ticks=100 heartbeat_ticks=10 lease_ticks=25
elect n1
cut n1>n2 n2>n1
tick n2 150
settle
tick n1 10
settle
crash n3
restart n3
tick n2 200
settle
propose n2 x
settle
lease n1
----
"""

ANSWER_COMES_LATE = """
cluster 3 election_ticks=100 heartbeat_ticks=10 lease_ticks=25
elect n1
tick n1 10
deliver n1>n2 n1>n3
cut n1
tick n1 26
tick n3
tick n2
unreachable n2 n1
unreachable n3 n1
tick n3 29
tick n2 40
deliver n2>n3
deliver n3>n2
deliver n2>n3
deliver n3>n2
deliver n2>n3
deliver n3>n2
propose n2 x
deliver n2>n3
deliver n3>n2
deliver n2>n1 n3>n1
lease n1
----
"""

HAND_OVER_BEHIND_ITS_BACK = """
cluster 3 election_ticks=100 heartbeat_ticks=10 lease_ticks=25
elect n1
tick n1 10
settle
transfer n1 n2
cut n1
deliver n1>n2
settle
propose n2 x
settle
lease n1
----
"""


def told(schedule: str, ablation: type | None = None) -> list[str]:
    if ablation is None:
        return Scenario(RAFT).run(schedule).splitlines()
    broken = Broken.of(ablation)
    return Scenario(broken.engine, broken.node_class).run(schedule).splitlines()


@pytest.mark.parametrize(
    ("schedule", "ablation"),
    [
        (STALLED_LEADER, FeedsBeforeTicking),
        (DEPOSED_WITHIN_ITS_LEASE, BreaksLeasePromises),
        (VOTER_RESTARTS_WITHIN_THE_LEASE, ForgetsPromisesAtStart),
        (ANSWER_COMES_LATE, LeaseFromTheAnswer),
        (HAND_OVER_BEHIND_ITS_BACK, KeepsLeaseDuringHandOver),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_lease_read_is_stale_without(schedule: str, ablation: type) -> None:
    broken = [line for line in told(schedule, ablation) if line.startswith("VIOLATION")]

    assert [] == [line for line in told(schedule) if line.startswith("VIOLATION")]
    assert len(broken) == 1
    assert broken[0].startswith(f"VIOLATION {FRESH_LEASE_READ}")


COMES_BACK_FROM_ISOLATION = """
cluster 3 election_ticks=10 heartbeat_ticks=2 lease_ticks=3
elect n1
cut n3
tick n3 60
heal
tick n1 2
settle
state n1
----
"""


def test_a_node_that_was_cut_off_deposes_the_leader_on_its_return_without_pre_vote() -> None:
    assert told(COMES_BACK_FROM_ISOLATION)[-1].startswith("n1 leader term=1 ")
    assert not told(COMES_BACK_FROM_ISOLATION, NoPreVote)[-1].startswith("n1 leader")
