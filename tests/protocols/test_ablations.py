"""Every safety rule is needed: without it a seed of the ordinary random workload breaks an invariant.

Those that random worlds need too seldom are in test_ablations_on_schedules: the truncation against writes in flight, the ticks,
most of the lease's rules, and the durable vote.

The table keeps the seeds that were found, so that this is fast. They mean other worlds when the simulator or the engine changes;
then a few others are tried before the test fails, and `python -m tests.protocols.ablations` finds new ones for the table.
"""

import pytest

from quorate.protocols.simulation import Result
from quorate.protocols.simulation.campaign import CONVERGENCE, PROGRESS, STABILITY
from quorate.protocols.simulation.invariants import (
    ANSWER_TRUE,
    FRESH_LEASE_READ,
    FRESH_READ,
    FROZEN_DURABLE,
    LEADER_COMPLETE,
    LOG_MATCHING,
    MATCHING_KEPT,
    ONE_CHANGE,
    ONE_LEADER,
    ONE_VOTE,
    OWN_TERM,
    QUORUM_DURABLE,
    REAL_TIME,
    SNAPSHOT_STATE,
    TERM_GROWS,
)
from quorate.protocols.simulation.ledger import APPLIED_ONCE, COMMITTED_PREFIXES, REFUSED_IS_DEFINITE
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.world import CORE_ASSERTION
from tests.protocols import ablations as without
from tests.protocols.ablations import ABLATIONS, LIVENESS, STEPS, Broken, NoPreVote
from tests.protocols.test_ablations_on_schedules import SCHEDULES

# Tried in order when the seed of the table misses nothing any more.
OTHER_SEEDS = 60

# Once wrong entries are committed, many things are wrong; which of them is seen first is chance.
SAFETY = {QUORUM_DURABLE, LEADER_COMPLETE, COMMITTED_PREFIXES, LOG_MATCHING, ONE_LEADER, MATCHING_KEPT, CORE_ASSERTION}

TABLE: list[tuple[type, int, set[str]]] = [
    # Sync
    (without.SendsTooEarly, 0, SAFETY),
    (without.LetsEmptyBatchesOvertake, 1, SAFETY),
    # Atomic batches
    (without.TearsBatches, 21, SAFETY),
    # Outcomes
    (without.ResolvesByPosition, 2, {ANSWER_TRUE, REAL_TIME}),
    (without.ForgetsItsIncarnation, 1, {REFUSED_IS_DEFINITE, APPLIED_ONCE, ANSWER_TRUE, ONE_LEADER}),
    # Reads
    (without.AnswersBeforeApplying, 15, {FRESH_READ, FRESH_LEASE_READ}),
    # Sends, persistence
    (without.LeadsBeforeItsVoteIsDurable, 87, {ONE_VOTE, TERM_GROWS, *SAFETY}),
    (without.TermNotPersisted, 1, {ONE_VOTE, TERM_GROWS, *SAFETY}),
    (without.AcksBeforeSync, 0, SAFETY),
    (without.CountsItselfBeforeSync, 1, SAFETY),
    (without.FreezesAhead, 4, {FROZEN_DURABLE}),
    # Elections
    (without.StaleTermsAccepted, 32, SAFETY),
    (without.VotesTwice, 0, {ONE_VOTE, ONE_LEADER}),
    (without.VotesForShortLogs, 2, SAFETY),
    (without.CountsDuplicateVotes, 1, SAFETY),
    (without.CountsVotesOfAnyone, 54, SAFETY),
    # Replication
    (without.TakesAppendsAnywhere, 23, SAFETY),
    (without.TruncatesMatchingSuffixes, 1, SAFETY),
    (without.CommitsOldTermsByCounting, 5, {OWN_TERM}),
    (without.InstallsOldSnapshots, 22, {SNAPSHOT_STATE, *SAFETY}),
    # Membership
    (without.GovernedByTheCommitted, 1, {ONE_CHANGE, *SAFETY}),
    (without.TwoChangesAtOnce, 8, {ONE_CHANGE}),
    (without.ChangesBeforeOwnTerm, 62, {ONE_CHANGE}),
    # Liveness, by bounds in ticks
    (without.NoCheckQuorum, 56, {PROGRESS, STABILITY}),
    (without.NoPreVoteNorStickiness, 2, {PROGRESS, STABILITY}),
    (without.NoNoop, 52, {CONVERGENCE, PROGRESS}),
]


def miss(ablation: type, first: int) -> Result | None:
    """The first of a few seeds that misses the safeguard."""
    broken = Broken.of(ablation)
    for seed in (first, *(seed for seed in range(OTHER_SEEDS) if seed != first)):
        result = broken.run(seed, STEPS, liveness=ablation in LIVENESS)
        if result.violation is not None:
            return result
    return None


@pytest.mark.parametrize(("ablation", "seed", "invariants"), TABLE, ids=[ablation.__name__ for ablation, _, _ in TABLE])
def test_a_seed_misses(ablation: type, seed: int, invariants: set[str]) -> None:
    result = miss(ablation, seed)

    assert result is not None, (
        f"seed {seed} and {OTHER_SEEDS} others hold without it: python -m tests.protocols.ablations 2000 {ablation.__name__}"
    )
    assert result.violation is not None
    assert result.violation.invariant in invariants, result.violation


def test_the_same_seeds_hold_with_every_safeguard_in_place() -> None:
    broken = [Broken(RAFT).run(seed, 3_000, liveness=False) for seed in sorted({seed for _, seed, _ in TABLE})]

    assert [] == [str(result.violation) for result in broken if result.violation is not None]


def test_every_safeguard_that_can_be_taken_out_is_missed_somewhere() -> None:
    missed = {ablation for ablation, _, _ in TABLE} | {ablation for _, ablation, _ in SCHEDULES} | {NoPreVote}

    assert [] == [ablation.__name__ for ablation in ABLATIONS if ablation not in missed]
