"""The table of Raft: every safeguard that can be taken out, and the seed of the ordinary random workload that misses it.

One rule has no row, `Rules.commit_to_believe`: nothing misses it, because a leader's appends begin where the logs part, as the hint of
the refusal says. An append that is taken in either truncates what differs or ends where the log ends, and no commit passes that.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.raft import Rules
from quorate.protocols.sessions import Sessions
from quorate.protocols.simulation.ablations import driver
from quorate.protocols.simulation.ablations import raft_rules as without
from quorate.protocols.simulation.ablations.row import LIVENESS, SAFETY, Row
from quorate.protocols.simulation.campaign import CONVERGENCE, PROGRESS, STABILITY
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.exactly_once import EFFECT_ONCE, ENDS_BY_ENTRY, SAME_ANSWER, SAME_RESULT
from quorate.protocols.simulation.invariants import (
    ANSWER_TRUE,
    ASKED_DURABLE,
    DURABLE_TRUE,
    ELECTED,
    FRESH_LEASE_READ,
    FRESH_READ,
    FROZEN_DURABLE,
    LEADER_COMPLETE,
    LOG_MATCHING,
    MATCHING_KEPT,
    ONE_CHANGE,
    ONE_LEADER,
    ONE_LEASE,
    ONE_VOTE,
    OWN_TERM,
    QUORUM_DURABLE,
    REAL_TIME,
    SNAPSHOT_STATE,
    TERM_GROWS,
    VOTE_DURABLE,
)
from quorate.protocols.simulation.ledger import APPLIED_ONCE, COMMITTED_PREFIXES, REFUSED_IS_DEFINITE
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.world import CORE_ASSERTION

# Once wrong entries are committed, many things are wrong; which of them is seen first is chance.
WRONG_LOG = (
    VOTE_DURABLE,
    ASKED_DURABLE,
    ELECTED,
    QUORUM_DURABLE,
    LEADER_COMPLETE,
    COMMITTED_PREFIXES,
    LOG_MATCHING,
    ONE_LEADER,
    MATCHING_KEPT,
    CORE_ASSERTION,
)
STALE = (FRESH_READ, FRESH_LEASE_READ)
STALE_LEASE = (ONE_LEASE, FRESH_LEASE_READ)
STANDSTILL = (PROGRESS, STABILITY, CONVERGENCE)


def _row(broken: type, seed: int | None, source: str, safeguard: str, *invariants: str, kind: str = SAFETY) -> Row:
    """`broken` says by its own type which part lacks its safeguard."""
    if issubclass(broken, Rules):
        return Row(broken.__name__, safeguard, source, invariants, seed, without.raft_without(broken), kind)
    if issubclass(broken, Node):
        return Row(broken.__name__, safeguard, source, invariants, seed, RAFT, kind, node_class=broken)
    if issubclass(broken, SimulatedDisk):
        return Row(broken.__name__, safeguard, source, invariants, seed, RAFT, kind, disk_class=broken)
    assert issubclass(broken, Sessions), broken
    return Row(broken.__name__, safeguard, source, invariants, seed, RAFT, kind, sessions=broken)


ROWS: tuple[Row, ...] = (
    # Persistence
    _row(
        without.VoteNotPersisted,
        0,
        "thesis, figure 3.1",
        "the vote is durable before it is given",
        ASKED_DURABLE,
        VOTE_DURABLE,
        ONE_VOTE,
        ONE_LEADER,
    ),
    _row(
        without.TermNotPersisted,
        0,
        "thesis, figure 3.1",
        "the term is durable before anything is said in it",
        ASKED_DURABLE,
        VOTE_DURABLE,
        TERM_GROWS,
        ONE_VOTE,
        CORE_ASSERTION,
    ),
    _row(without.AcksBeforeSync, 0, "thesis 3.8", "entries are acknowledged when they are durable", *WRONG_LOG),
    _row(without.CountsItselfBeforeSync, 0, "thesis 10.2.1", "the leader counts itself as far as its own log is durable", *WRONG_LOG),
    _row(
        without.LeadsBeforeItsVoteIsDurable,
        18,
        "rule Sends",
        "nothing leaves under a term that is not durable",
        TERM_GROWS,
        ONE_VOTE,
        *WRONG_LOG,
    ),
    _row(without.AsksBeforeSync, 0, "thesis 3.8", "a candidate asks when its term, vote and log are durable", ONE_VOTE, *WRONG_LOG),
    _row(driver.SendsTooEarly, 0, "rule Sync", "what is to leave after the sync waits for it", ONE_VOTE, *WRONG_LOG),
    _row(driver.LetsEmptyBatchesOvertake, 0, "rule Sync", "an empty batch's sends wait for the batches before it", *WRONG_LOG),
    _row(driver.TearsBatches, 10, "rule Atomic batches", "a batch survives a crash whole or not at all", *WRONG_LOG),
    _row(without.NoClip, 17, "rule Truncation (ABA)", "a sync vouches for no batch that was overwritten meanwhile", DURABLE_TRUE),
    # Elections
    _row(without.StaleTermsAccepted, 5, "thesis, figure 3.1", "a message of an older term is not acted upon", *WRONG_LOG),
    _row(without.VotesTwice, 4, "thesis 3.4", "one vote per term, first come, first served", ONE_VOTE, ONE_LEADER),
    _row(without.VotesForShortLogs, 2, "thesis 3.6.1", "votes go to logs at least as up to date", *WRONG_LOG),
    _row(without.CountsDuplicateVotes, 28, "thesis 3.4", "a vote is counted once per voter", *WRONG_LOG),
    _row(without.CountsVotesOfAnyone, 67, "thesis 3.4, 4.1", "only votes of members are counted", *WRONG_LOG),
    # Replication
    _row(without.TakesAppendsAnywhere, 5, "thesis 3.5", "entries are taken in only after the entry that they follow", *WRONG_LOG),
    _row(without.TruncatesMatchingSuffixes, 0, "thesis 3.5", "a suffix that matches is never truncated", *WRONG_LOG),
    _row(without.CommitsOldTermsByCounting, 0, "thesis 3.6.2", "only entries of the own term commit by counting", OWN_TERM),
    # Reads
    _row(without.ReadsBeforeItsTermCommits, 15, "thesis 6.4", "a leader reads only after committing in its own term", *STALE),
    _row(without.ReadsByARoundUnderWay, 167, "thesis 6.4", "a read is confirmed by a round sent after it arrived", *STALE),
    _row(driver.AnswersBeforeApplying, 1, "thesis 6.4", "a read waits until its index is applied", *STALE),
    _row(without.LeaseForEver, 10, "thesis 6.4.1", "a lease ends", *STALE_LEASE),
    _row(without.LeaseFromTheAnswer, 152, "rule Ticks", "a lease counts from when its heartbeat was sent", *STALE_LEASE),
    _row(without.BreaksLeasePromises, 12, "thesis 6.4.1", "no vote while a promised lease may be relied on", *STALE_LEASE),
    _row(without.ForgetsPromisesAtStart, 178, "rule Ticks", "a restarted voter grants nothing for one lease period", *STALE_LEASE),
    _row(without.KeepsLeaseDuringHandOver, 98, "rule Ticks", "the lease is dropped before a hand-over", *STALE_LEASE),
    _row(driver.FeedsBeforeTicking, 725, "rule Ticks", "a paused leader looks at its clock before it answers reads", *STALE_LEASE),
    _row(driver.CountsOneTickATurn, 10, "rule Ticks", "leases use every tick that elapsed", *STALE_LEASE),
    # Membership
    _row(
        without.GovernedByTheCommitted,
        2,
        "thesis 4.1",
        "a configuration is in force from its append on; nobody campaigns by one that its log has replaced",
        ONE_CHANGE,
        *WRONG_LOG,
    ),
    _row(without.TwoChangesAtOnce, 14, "thesis 4.1", "one change at a time", ONE_CHANGE, *WRONG_LOG),
    _row(without.ChangesBeforeOwnTerm, 7, "raft-dev 2015", "no change before an entry of the leader's own term", ONE_CHANGE, *WRONG_LOG),
    _row(driver.CountsWipedDisks, 3, "rule Durability", "a disk that was wiped does not vote under its old name", *WRONG_LOG),
    # Snapshots
    _row(without.InstallsOldSnapshots, 17, "rule Recovery", "a snapshot older than the commit is refused", SNAPSHOT_STATE, *WRONG_LOG),
    _row(driver.FreezesAhead, 0, "rule Sync", "a snapshot is frozen at a durable index only", FROZEN_DURABLE),
    # Outcomes and sessions
    _row(
        driver.ResolvesByPosition,
        0,
        "rule Outcomes",
        "a request is answered by the entry of its origin",
        ANSWER_TRUE,
        REAL_TIME,
        SAME_ANSWER,
    ),
    _row(
        driver.ForgetsItsIncarnation,
        0,
        "rule Outcomes",
        "origins are never used again",
        REFUSED_IS_DEFINITE,
        APPLIED_ONCE,
        ANSWER_TRUE,
        ONE_LEADER,
    ),
    _row(driver.AppliesEveryCopy, 0, "thesis 6.3", "a repeated command takes effect once", EFFECT_ONCE, SAME_ANSWER),
    _row(driver.ForgetsTheMark, 21, "thesis 6.3", "a copy below the low-water mark is refused", EFFECT_ONCE, SAME_ANSWER),
    _row(driver.SnapshotsWithoutSessions, 0, "thesis 6.3", "sessions are part of the snapshot", SAME_RESULT, ENDS_BY_ENTRY, EFFECT_ONCE),
    _row(driver.ExpiresByItsOwnClock, 4, "thesis 6.3", "a session ends only by an entry of the log", SAME_RESULT, ENDS_BY_ENTRY),
    # Liveness, by bounds in ticks
    _row(without.NoPreVote, 67, "thesis 9.6", "no new term before a majority would vote for it", *STANDSTILL, kind=LIVENESS),
    _row(without.NoPreVoteNorStickiness, 1, "thesis 4.2.3", "who hears a leader helps nobody to depose it", *STANDSTILL, kind=LIVENESS),
    _row(without.NoCheckQuorum, 38, "thesis 6.2", "a leader that reaches no quorum steps down", *STANDSTILL, kind=LIVENESS),
    _row(without.NoNoop, 263, "thesis 6.4", "a new leader appends a no-op", *STANDSTILL, kind=LIVENESS),
)
