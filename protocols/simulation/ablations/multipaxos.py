"""The table of Multi-Paxos: every safeguard that can be taken out, and the seed of the ordinary random workload that misses it.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.multipaxos import Rules
from quorate.protocols.simulation.ablations import multipaxos_rules as without
from quorate.protocols.simulation.ablations.row import LIVENESS, SAFETY, Row
from quorate.protocols.simulation.campaign import CONVERGENCE, PROGRESS, STABILITY
from quorate.protocols.simulation.invariants import (
    ANSWER_TRUE,
    COMMIT_GROWS,
    FRESH_LEASE_READ,
    FRESH_READ,
    ONE_CHANGE,
    ONE_LEADER,
    ONE_LEASE,
    ONE_VOTE,
    QUORUM_DURABLE,
    REAL_TIME,
    TERM_GROWS,
    VOTE_DURABLE,
)
from quorate.protocols.simulation.ledger import APPLIED_ONCE, COMMITTED_PREFIXES, REFUSED_IS_DEFINITE
from quorate.protocols.simulation.multipaxos_laws import CHOSEN_STAYS, ONE_SLOT, ONE_VALUE, VOTES_RISE, VOTES_SAFE, WINDOW
from quorate.protocols.simulation.world import CORE_ASSERTION

# Once a wrong value was chosen, many things are wrong; which of them is seen first is chance.
WRONG = (
    ONE_VALUE,
    VOTES_RISE,
    VOTES_SAFE,
    CHOSEN_STAYS,
    ONE_SLOT,
    QUORUM_DURABLE,
    COMMITTED_PREFIXES,
    APPLIED_ONCE,
    REFUSED_IS_DEFINITE,
    ANSWER_TRUE,
    REAL_TIME,
    ONE_LEADER,
    CORE_ASSERTION,
)
STALE = (FRESH_READ, FRESH_LEASE_READ)
STANDSTILL = (PROGRESS, STABILITY, CONVERGENCE)


def _row(broken: type[Rules], seed: int | None, source: str, safeguard: str, *invariants: str, kind: str = SAFETY) -> Row:
    return Row(broken.__name__, safeguard, source, invariants, seed, without.multipaxos_without(broken), kind)


ROWS: tuple[Row, ...] = (
    # Persistence
    _row(
        without.BallotNotPersisted,
        2,
        "Made Simple 2.5",
        "the promised ballot is durable before it is promised",
        VOTE_DURABLE,
        TERM_GROWS,
        *WRONG,
    ),
    _row(without.AcceptedBeforeSync, 0, "Made Simple 2.5", "votes are acknowledged when they are durable", *WRONG),
    _row(without.CountsItselfBeforeSync, 0, "Made Simple 2.5", "the leader's own votes count when they are durable", *WRONG),
    _row(without.LeadsBeforeItsPromiseIsDurable, 30, "rule Sends", "nothing leaves under a ballot that is not durable", ONE_VOTE, *WRONG),
    # Phase 1
    _row(without.PromisesBelowAPromise, 0, "Made Simple, P1a", "nothing is promised below a promise", TERM_GROWS, *WRONG),
    _row(without.HidesItsVotes, 5, "Made Simple 2.2, phase 1b", "a promise reports every vote", *WRONG),
    _row(without.ReportsWhatItDropped, 5, "Made Simple 3", "no promise to one that lacks what is dropped here", *WRONG),
    _row(without.LeadsUnprepared, 2, "Made Simple 2.2", "a quorum promises before anything is proposed", *WRONG),
    _row(without.ProposesTheFirstReported, 5, "Made Simple, P2c", "of the reported values that of the highest ballot", *WRONG),
    _row(without.ProposesItsOwn, 0, "Made Simple, P2c", "what was reported is proposed again, before anything else", *WRONG),
    # Phase 2
    _row(without.VotesBelowAPromise, 14, "Made Simple, P1a", "no vote below a promise", TERM_GROWS, *WRONG),
    _row(without.CountsVotesOfAnyone, 8, "Made Simple 2.2", "only votes of acceptors count", *WRONG),
    _row(without.BelievesEveryCommit, 6, "Made Simple 2.3", "a learner believes only of its votes in that ballot", COMMIT_GROWS, *WRONG),
    # The window
    _row(without.GovernedAtOnce, 59, "Made Simple 3", "a configuration governs alpha slots after its own", *WRONG),
    _row(without.OpensEverySlot, 0, "Made Simple 3", "at most alpha slots are open", WINDOW, *WRONG),
    _row(without.TwoChangesAtOnce, 132, "package page", "one change at a time", ONE_CHANGE, *WRONG),
    # Reads
    _row(without.ReadsBeforeTakingOver, 30, "package page", "a leader reads only after choosing what it took over", *STALE),
    _row(without.BreaksLeasePromises, 2, "thesis 6.4.1", "no promise while another's lease may be relied on", ONE_LEASE, *STALE),
    # Liveness, by bounds in ticks
    _row(without.NoAsking, 27, "thesis 9.6", "no new ballot before a quorum would promise it", *STANDSTILL, kind=LIVENESS),
    _row(without.NoAskingNorStickiness, 5, "thesis 4.2.3", "who hears a leader deposes it not", *STANDSTILL, kind=LIVENESS),
)
