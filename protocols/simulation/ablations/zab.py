"""The table of ZAB: safeguards that can be taken out, and the seed of the ordinary random workload that misses each.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.simulation.ablations import zab_rules as without
from quorate.protocols.simulation.ablations.row import LIVENESS, SAFETY, Row
from quorate.protocols.simulation.campaign import CONVERGENCE, PROGRESS, STABILITY
from quorate.protocols.simulation.invariants import (
    ELECTED,
    FRESH_LEASE_READ,
    LEADER_COMPLETE,
    LOG_MATCHING,
    MATCHING_KEPT,
    ONE_CHANGE,
    ONE_LEADER,
    ONE_LEASE,
    ONE_VOTE,
    QUORUM_DURABLE,
    TERM_GROWS,
    VOTE_DURABLE,
)
from quorate.protocols.simulation.ledger import COMMITTED_PREFIXES
from quorate.protocols.simulation.world import CORE_ASSERTION
from quorate.protocols.simulation.zab_laws import EPOCH_ORDER, ESTABLISHED, HISTORY_FIRST
from quorate.protocols.zab import Rules

# Once wrong entries are committed, many things are wrong; which of them is seen first is chance.
WRONG_LOG = (ESTABLISHED, HISTORY_FIRST, QUORUM_DURABLE, LEADER_COMPLETE, COMMITTED_PREFIXES, LOG_MATCHING, MATCHING_KEPT, CORE_ASSERTION)
TWO_LEADERS = (VOTE_DURABLE, ONE_VOTE, ONE_LEADER, ELECTED, TERM_GROWS, *WRONG_LOG)
STALE_LEASE = (ONE_LEASE, FRESH_LEASE_READ)
STANDSTILL = (PROGRESS, STABILITY, CONVERGENCE)

DISCOVERY = "DSN 2011, V.A, discovery"
SYNCHRONIZATION = "DSN 2011, V.A, synchronization"
BROADCAST = "DSN 2011, V.A, broadcast"


def _row(broken: type[Rules], seed: int | None, source: str, safeguard: str, *invariants: str, kind: str = SAFETY) -> Row:
    return Row(broken.__name__, safeguard, source, invariants, seed, without.zab_without(broken), kind)


ROWS: tuple[Row, ...] = (
    # Persistence
    _row(without.AcceptedNotPersisted, 0, DISCOVERY, "the accepted epoch is durable before it is acknowledged", EPOCH_ORDER, *TWO_LEADERS),
    _row(without.CurrentNotPersisted, 0, SYNCHRONIZATION, "the current epoch is durable before NEWLEADER is acknowledged", *WRONG_LOG),
    _row(without.AcksNewLeaderBeforeSync, 1, SYNCHRONIZATION, "NEWLEADER is acknowledged after the fsync of the history", *WRONG_LOG),
    _row(without.AcksProposalsBeforeSync, 0, BROADCAST, "a proposal is acknowledged after its fsync", *WRONG_LOG),
    _row(without.TellsEpochBeforeSync, 18, DISCOVERY, "an epoch is durable at its leader before anybody hears of it", *TWO_LEADERS),
    _row(without.CountsItselfBeforeSync, 0, BROADCAST, "the leader counts itself as far as its own log is durable", *WRONG_LOG),
    # Discovery
    _row(without.NeglectsHistory, 2, DISCOVERY, "nobody leads while a follower of its quorum holds more", *WRONG_LOG),
    _row(without.CountsEpochTwice, 99, DISCOVERY, "an epoch is acknowledged to one leader only", *TWO_LEADERS),
    _row(without.CountsAnyone, 25, DISCOVERY, "only voters count towards a quorum", *TWO_LEADERS),
    # Synchronization
    _row(without.NeverTruncates, 2, SYNCHRONIZATION, "what the leader does not hold goes first: TRUNC", *WRONG_LOG),
    _row(without.CurrentAtDiscovery, 0, SYNCHRONIZATION, "the epoch becomes current after its history is here", *WRONG_LOG),
    _row(without.ServesBeforeTheQuorum, 0, SYNCHRONIZATION, "nothing is served before a quorum has acknowledged NEWLEADER", *WRONG_LOG),
    _row(without.LeadsWithoutQuorum, 19, "ZooKeeper: syncLimit", "a leader without a quorum leaves", *STANDSTILL, kind=LIVENESS),
    # Channels
    _row(without.NoFifo, 4, "DSN 2011, III", "channels are FIFO", *WRONG_LOG),
    # Leases
    _row(without.LeaseForEver, 2, "as Raft, thesis 6.4.1", "a lease is relied on for its time only", *STALE_LEASE),
    _row(without.LeaseFromTheAnswer, 241, "as Raft, thesis 6.4.1", "a lease counts from the ping, not from its answer", *STALE_LEASE),
    _row(without.BreaksLeasePromises, 4, "as Raft, thesis 6.4.1", "no later epoch is accepted while a lease may run", *STALE_LEASE),
    # Membership
    _row(without.TwoChangesAtOnce, 19, "thesis 4.1", "one change at a time", ONE_CHANGE, *WRONG_LOG),
    _row(without.GovernedByTheCommitted, 2, "thesis 4.1", "the latest configuration is in force", ONE_CHANGE, *TWO_LEADERS),
)
