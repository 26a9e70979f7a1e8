"""The table of KRaft: its own safeguards and those that it shares with Raft, each with the seed of the ordinary random workload that
misses it. What the driver, the disk and the sessions keep is in Raft's table.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.kraft import Rules
from quorate.protocols.simulation.ablations import kraft_rules as without
from quorate.protocols.simulation.ablations import raft_rules as shared
from quorate.protocols.simulation.ablations.raft import STALE, STALE_LEASE, STANDSTILL, WRONG_LOG
from quorate.protocols.simulation.ablations.row import LIVENESS, SAFETY, Row
from quorate.protocols.simulation.invariants import ONE_CHANGE, ONE_VOTE, OWN_TERM, SNAPSHOT_STATE, TERM_GROWS
from quorate.protocols.terms.rules import TermRules


def _row(broken: type[TermRules], seed: int | None, source: str, safeguard: str, *invariants: str, kind: str = SAFETY) -> Row:
    rules = broken if issubclass(broken, Rules) else without.as_in_raft(broken)
    return Row(broken.__name__, safeguard, source, invariants, seed, without.kraft_without(rules), kind)


ROWS: tuple[Row, ...] = (
    # Fetching
    _row(without.AcknowledgesBeforeSync, 0, "KIP-595", "a fetch acknowledges what is durable", *WRONG_LOG),
    _row(without.CountsDivergingOffsets, 4, "KIP-595", "an offset that is not the leader's own counts for nothing", *WRONG_LOG),
    _row(without.FetchesAnywhere, 5, "KIP-595", "records follow a place that both logs hold", *WRONG_LOG),
    _row(without.TakesLateRecords, 0, "KIP-595", "records are taken in only where the log ends", *WRONG_LOG),
    _row(without.TruncatesToTheEpochThere, 4, "KIP-595", "what matches is never truncated", *WRONG_LOG),
    _row(without.TruncatesToTheEndThere, 78, "KIP-595", "a diverging epoch ends where it ends in both logs", *STANDSTILL, kind=LIVENESS),
    # Elections
    _row(shared.VoteNotPersisted, 0, "KIP-595", "the vote is durable before it is given", ONE_VOTE, *WRONG_LOG),
    _row(shared.TermNotPersisted, 0, "KIP-595", "the epoch is durable before anything is said in it", TERM_GROWS, ONE_VOTE, *WRONG_LOG),
    _row(shared.LeadsBeforeItsVoteIsDurable, 18, "rule Sends", "nothing leaves under an epoch that is not durable", TERM_GROWS, *WRONG_LOG),
    _row(shared.AsksBeforeSync, 0, "thesis 3.8", "a candidate asks when its epoch, vote and log are durable", ONE_VOTE, *WRONG_LOG),
    _row(shared.StaleTermsAccepted, 5, "KIP-595", "a message of an older epoch is not acted upon", *WRONG_LOG),
    _row(shared.VotesTwice, 0, "KIP-595", "one vote per epoch, first come, first served", ONE_VOTE, *WRONG_LOG),
    _row(shared.VotesForShortLogs, 2, "KIP-595", "votes go to logs at least as up to date", *WRONG_LOG),
    _row(shared.CountsVotesOfAnyone, 58, "KIP-853", "only votes of voters are counted", *WRONG_LOG),
    # The high watermark
    _row(shared.CountsItselfBeforeSync, 0, "thesis 10.2.1", "the leader counts itself as far as its own log is durable", *WRONG_LOG),
    _row(shared.CommitsOldTermsByCounting, 0, "KIP-595", "the high watermark rises only beyond the epoch's start", OWN_TERM),
    # Reads
    _row(shared.ReadsBeforeItsTermCommits, 16, "thesis 6.4", "a leader reads only after committing in its own epoch", *STALE),
    _row(shared.LeaseForEver, 10, "thesis 6.4.1", "a lease ends", *STALE_LEASE),
    _row(shared.BreaksLeasePromises, 12, "thesis 6.4.1", "no vote while a promised lease may be relied on", *STALE_LEASE),
    # Membership and snapshots
    _row(shared.GovernedByTheCommitted, 2, "KIP-853", "a configuration is in force from its append on", ONE_CHANGE, *WRONG_LOG),
    _row(shared.TwoChangesAtOnce, 6, "KIP-853", "one change at a time", ONE_CHANGE, *WRONG_LOG),
    _row(
        shared.InstallsOldSnapshots, 21, "rule Recovery", "a snapshot older than the high watermark is refused", SNAPSHOT_STATE, *WRONG_LOG
    ),
    # Liveness, by bounds in ticks
    _row(shared.NoPreVoteNorStickiness, 1, "KIP-996", "who hears a leader helps nobody to depose it", *STANDSTILL, kind=LIVENESS),
    _row(shared.NoCheckQuorum, 146, "KIP-595", "a leader that a majority stopped fetching from resigns", *STANDSTILL, kind=LIVENESS),
    _row(shared.NoNoop, 149, "KIP-595", "a leader-change record opens the epoch", *STANDSTILL, kind=LIVENESS),
)
