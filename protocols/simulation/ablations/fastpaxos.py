"""The table of Fast Paxos: every safeguard that it adds to Multi-Paxos's, and the seed of the ordinary random workload that misses it.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.fastpaxos import FastRules
from quorate.protocols.simulation.ablations import fastpaxos_rules as without
from quorate.protocols.simulation.ablations.row import SAFETY, Row
from quorate.protocols.simulation.fastpaxos_laws import (
    ANY_FIRST,
    CHOSEN_STAYS,
    FAST_QUORUM,
    ONE_VALUE,
    ONE_VOTE_PER_ORIGIN,
    VOTES_RISE,
    VOTES_SAFE,
    WINDOW,
)
from quorate.protocols.simulation.invariants import (
    ANSWER_TRUE,
    COMMIT_GROWS,
    FRESH_LEASE_READ,
    FRESH_READ,
    QUORUM_DURABLE,
    REAL_TIME,
    VOTE_DURABLE,
)
from quorate.protocols.simulation.ledger import APPLIED_ONCE, COMMITTED_PREFIXES, REFUSED_IS_DEFINITE
from quorate.protocols.simulation.world import CORE_ASSERTION

# Once a wrong value was chosen, many things are wrong; which of them is seen first is chance.
WRONG = (
    ONE_VALUE,
    VOTES_RISE,
    VOTES_SAFE,
    CHOSEN_STAYS,
    FAST_QUORUM,
    ONE_VOTE_PER_ORIGIN,
    ANY_FIRST,
    WINDOW,
    QUORUM_DURABLE,
    COMMITTED_PREFIXES,
    APPLIED_ONCE,
    REFUSED_IS_DEFINITE,
    ANSWER_TRUE,
    REAL_TIME,
    VOTE_DURABLE,
    COMMIT_GROWS,
    CORE_ASSERTION,
)
STALE = (FRESH_READ, FRESH_LEASE_READ, REAL_TIME)


def _row(broken: type[FastRules], seed: int | None, source: str, safeguard: str, *invariants: str) -> Row:
    return Row(broken.__name__, safeguard, source, invariants, seed, without.fastpaxos_without(broken), SAFETY)


ROWS: tuple[Row, ...] = (
    # Quorums
    _row(without.MajorityAsFastQuorum, 0, "Fast Paxos 2.2", "a fast quorum is three quarters", *WRONG),
    _row(without.RecoversAlone, 1, "Fast Paxos 2.2", "a classic quorum's votes are needed to recover", *WRONG),
    # Voting
    _row(without.StageNotPersisted, 0, "Fast Paxos 2.2", "in which fast round one votes no more is durable", *WRONG),
    _row(without.EntersAnyRound, 0, "Fast Paxos 2.2", "no vote in a fast round that was closed or outlived", *WRONG),
    _row(without.VotesTwiceInASlot, 0, "Fast Paxos 2.2", "one vote per slot and fast round", *WRONG),
    _row(without.VotesForAnOriginTwice, 1, "package page", "one vote per origin and fast round", *WRONG),
    _row(without.VotedBeforeSync, 1, "Fast Paxos 2.2", "a fast vote is told when it is durable", *WRONG),
    # The coordinator
    _row(without.AnyBeforeTakingOver, 0, "Fast Paxos 2.2", "Any only where every value is safe", *WRONG),
    _row(without.BeginsAboveItsOwn, 1, "Fast Paxos 2.2", "a fast round is decided before the next begins", *WRONG),
    _row(without.PicksAnyValue, 1, "Fast Paxos 2.2, O4", "the value that a fast quorum may have chosen", *WRONG),
    # One slot
    _row(without.GivesAnOriginTwoSlots, 1, "package page", "an origin wins one slot", *WRONG),
    _row(without.ProposesAgainTooSoon, 0, "package page", "a value is sent again when it is known to have lost", *WRONG),
    # Reads
    _row(without.ReadsWhatTheLeaderKnows, 2, "package page", "a read waits for what others may have chosen", *STALE),
    _row(without.LeaseInFastRounds, 12, "package page", "no lease in fast rounds", *STALE),
)
