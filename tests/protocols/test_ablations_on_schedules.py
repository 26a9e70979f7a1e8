"""Safeguards that need a coincidence, each also shown on a fixed schedule, to be read: it holds, and without the safeguard it does not."""

import pytest

from quorate.protocols.simulation.ablations import rows_of
from quorate.protocols.simulation.invariants import ASKED_DURABLE, DURABLE_TRUE, FRESH_LEASE_READ, FRESH_READ
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.scenario import Scenario

CRASH_AFTER_THE_VOTE = """
cluster 4 election_ticks=10 heartbeat_ticks=2 lease_ticks=3
campaign n1
drop n1>n2
campaign n2
drop n2>n1
deliver n1>n3 n2>n4
deliver n3>n1 n4>n2
deliver n1>n4 n2>n3
deliver n4>n1 n3>n2
deliver n1>n3 n2>n4
crash n3
restart n3
tick n3 6
deliver n2>n3
----
"""

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
jump n1 50
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

NEW_LEADER_KNOWS_NO_COMMIT = """
cluster 3 election_ticks=10 heartbeat_ticks=2 lease_ticks=3
elect n1
propose n1 x
deliver n1>n2 n1>n3
deliver n2>n1
crash n1
drop
tick n3 10
campaign n2
deliver n2>n3
deliver n3>n2
deliver n2>n3
deliver n3>n2
hold n3
read n2
deliver n2>n3
deliver n3>n2
----
"""

READ_DURING_A_ROUND = """
cluster 3 election_ticks=100 heartbeat_ticks=10 lease_ticks=25
elect n1
tick n1 10
deliver n1>n2 n1>n3
cut n1
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
read n1
deliver n2>n1 n3>n1
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


OVERWRITTEN_WHILE_IN_FLIGHT = """
cluster 5 election_ticks=10 heartbeat_ticks=2 lease_ticks=3
elect n1
hold n3
cut n1>n2 n1>n4 n1>n5
propose n1 lost
deliver n1>n3
drop
cut n1
tick n4 10
tick n5 10
elect n2
log n2 n3
sync n3 1
----
"""


ROWS = {row.name: row for row in rows_of("raft")}


def told(schedule: str, name: str | None = None) -> list[str]:
    if name is None:
        return Scenario(RAFT).run(schedule).splitlines()
    return Scenario(ROWS[name].engine, ROWS[name].node_class).run(schedule).splitlines()


SCHEDULES: list[tuple[str, str, str]] = [
    (OVERWRITTEN_WHILE_IN_FLIGHT, "NoClip", DURABLE_TRUE),
    (CRASH_AFTER_THE_VOTE, "VoteNotPersisted", ASKED_DURABLE),
    (STALLED_LEADER, "FeedsBeforeTicking", FRESH_LEASE_READ),
    (STALLED_LEADER, "CountsOneTickATurn", FRESH_LEASE_READ),
    (STALLED_LEADER, "LeaseForEver", FRESH_LEASE_READ),
    (DEPOSED_WITHIN_ITS_LEASE, "BreaksLeasePromises", FRESH_LEASE_READ),
    (VOTER_RESTARTS_WITHIN_THE_LEASE, "ForgetsPromisesAtStart", FRESH_LEASE_READ),
    (ANSWER_COMES_LATE, "LeaseFromTheAnswer", FRESH_LEASE_READ),
    (NEW_LEADER_KNOWS_NO_COMMIT, "ReadsBeforeItsTermCommits", FRESH_READ),
    (READ_DURING_A_ROUND, "ReadsByARoundUnderWay", FRESH_READ),
    (HAND_OVER_BEHIND_ITS_BACK, "KeepsLeaseDuringHandOver", FRESH_LEASE_READ),
]


@pytest.mark.parametrize(("schedule", "name", "invariant"), SCHEDULES, ids=[name for _, name, _ in SCHEDULES])
def test_a_schedule_misses(schedule: str, name: str, invariant: str) -> None:
    broken = [line for line in told(schedule, name) if line.startswith("VIOLATION")]

    assert [] == [line for line in told(schedule) if line.startswith("VIOLATION")]
    assert len(broken) == 1
    assert broken[0].startswith(f"VIOLATION {invariant}")


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
    assert not told(COMES_BACK_FROM_ISOLATION, "NoPreVote")[-1].startswith("n1 leader")
