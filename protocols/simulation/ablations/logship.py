"""The table of log shipping: each of its few safeguards with the seed of the ordinary random workload that misses it.

Without a row is `commit_to_believe`: a message seldom ends below the place where the logs part, and 150 ordinary seeds do not miss it.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.logship import Rules
from quorate.protocols.simulation.ablations import logship_rules as without
from quorate.protocols.simulation.ablations.raft import WRONG_LOG
from quorate.protocols.simulation.ablations.row import Row
from quorate.protocols.simulation.invariants import (
    COMMIT_GROWS,
    DURABLE_TRUE,
    FRESH_READ,
    LEADER_APPENDS,
    ONE_CHANGE,
    ONE_VOTE,
    REAL_TIME,
    SNAPSHOT_STATE,
    TERM_GROWS,
)
from quorate.protocols.simulation.logship_watch import ACKNOWLEDGED, GOOD_ORDER, ONE_PRIMARY, PREFIX, PRIMARY_HOLDS

WRONG = (PREFIX, PRIMARY_HOLDS, ONE_PRIMARY, SNAPSHOT_STATE, COMMIT_GROWS, LEADER_APPENDS, REAL_TIME, *WRONG_LOG)


def _row(broken: type[Rules], seed: int | None, source: str, safeguard: str, *invariants: str) -> Row:
    return Row(broken.__name__, safeguard, source, invariants, seed, without.logship_without(broken))


ROWS: tuple[Row, ...] = (
    # Generations
    _row(without.GenerationNotPersisted, 0, "package page", "whom a node follows outlives a restart", TERM_GROWS, ONE_VOTE, *WRONG),
    _row(without.LeadsBeforeItsGenerationIsDurable, 5, "rule Sends", "nothing leaves under a generation that is not durable", *WRONG),
    _row(without.ListensToOlderGenerations, 0, "package page", "a message of an older generation is not acted upon", ONE_VOTE, *WRONG),
    _row(without.DoesNotStepDown, 0, "package page", "who hears of a newer generation follows it", ONE_VOTE, *WRONG),
    # Shipping
    _row(without.ShipsBeforeSync, 0, "sync_binlog", "nothing leaves that the primary's disk may still lose", *WRONG),
    _row(without.AcknowledgesBeforeSync, 0, "sync_relay_log", "a replica acknowledges what is durable", *WRONG),
    _row(without.TakesEntriesAnywhere, 0, "package page", "entries follow a place that both logs hold", *WRONG),
    _row(without.TruncatesWhatMatches, 0, "package page", "what matches is never truncated", *WRONG),
    _row(without.LateSyncsVouch, 0, "rule Truncation", "a truncation clips what is being written", DURABLE_TRUE, *WRONG),
    # Committing
    _row(without.CommitsBeforeSync, 0, "sync_binlog", "the primary answers for what its disk holds", *WRONG),
    _row(without.CountsOneTooFew, 3, "AFTER_SYNC", "semi-synchronous waits for as many replicas as asked for", ACKNOWLEDGED, *WRONG),
    # Reads, changes, switch-over
    _row(without.ReadsBeforeTakingOver, 0, "package page", "a primary reads once it has committed what it took over", FRESH_READ),
    _row(without.TwoChangesAtOnce, 3, "package page", "one change at a time", ONE_CHANGE),
    _row(without.HandsOverTooEarly, 6, "package page", "the heir holds the whole log", GOOD_ORDER, *WRONG),
    _row(without.ForgetsThatItHandedOver, 148, "package page", "who has handed over stays out of office", GOOD_ORDER, *WRONG),
)
