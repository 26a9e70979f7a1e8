"""What little log shipping promises, each rule one method; the engine asks these and nobody else, so a test can break exactly one.

None of them keeps an acknowledged write across a promotion by hand: there is no such rule here. That takes consensus.
"""

from collections.abc import Sequence

from quorate.protocols.core import Configuration, Entry, NodeId
from quorate.protocols.log import Log


class Rules:
    """Where MySQL has a name for it, that is given."""

    log_type: type[Log] = Log
    """Log.clip keeps the rule for truncation against writes in flight."""

    # Generations

    def generation_to_persist(self, generation: int) -> int:
        """Whom a node follows, or that it is the primary itself, outlives a restart."""
        return generation

    def leads(self, *, durable: bool) -> bool:
        """A node acts as primary only once its generation is durable: it must not begin the same one twice."""
        return durable

    def is_stale(self, heard: int, known: int) -> bool:
        """A message of an older generation is not acted upon; its sender is told of the newer one."""
        return heard < known

    def steps_down(self, heard: int, known: int) -> bool:
        """Who hears of a newer generation follows it, the primary too. Nobody tells a primary that is cut off."""
        return heard > known

    # Shipping

    def ships_after_sync(self) -> bool:
        """Nothing leaves that the primary's own disk may still lose (sync_binlog=1): no replica is ever ahead of it."""
        return True

    def acks_after_sync(self) -> bool:
        """A replica acknowledges what is durable, not what arrived (sync_relay_log=1)."""
        return True

    def previous_matches(self, log: Log, index: int, term: int) -> bool:
        """Entries are taken in only after the entry that they follow at the primary."""
        return log.term_at(index) == term

    def first_new(self, log: Log, entries: Sequence[Entry]) -> int:
        """How many of `entries` the log holds already: what matches is never truncated, for a message may be late."""
        if entries[0].index > log.last:
            return 0
        for at, entry in enumerate(entries):
            if log.term_at(entry.index) != entry.term:
                return at
        return len(entries)

    # Committing

    def own_match(self, log: Log) -> int:
        """The primary answers for what its own disk holds, in either mode."""
        return log.durable

    def waits_for(self, matches: Sequence[int], acks: int) -> int:
        """Semi-synchronous: committed is what `acks` replicas hold as well (rpl_semi_sync_source_wait_point=AFTER_SYNC): so nobody reads at
        the primary what no replica has."""
        return sorted(matches)[-acks] if len(matches) >= acks else 0

    def commit_to_believe(self, commit: int, matched: int) -> int:
        """A replica commits no further than its log is known to equal the primary's."""
        return min(commit, matched)

    # Reads and changes

    def may_read(self, commit: int, first_index: int) -> bool:
        """A primary reads once all that it took over is committed again, by the rule of its mode."""
        return commit >= first_index

    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        """One membership change at a time."""
        return latest.index <= commit

    def own_term_committed(self, commit: int, first_index: int) -> bool:
        """No change before the primary has committed what it took over."""
        return commit >= first_index

    # Switching over in good order

    def may_hand_over(self, match: int, last: int) -> bool:
        """The heir holds the whole log, durably, and so does the primary, which takes in nothing new meanwhile."""
        return match == last

    def may_take_over(self, log: Log, index: int, term: int) -> bool:
        """The heir looks for itself: it holds exactly the log that was handed over, durably."""
        return log.term_at(index) == term and log.last == index <= log.durable

    def heir_to_persist(self, heir: NodeId) -> NodeId:
        """The primary has stepped down, durably, before the heir is told: a lost or late message then costs time, not writes."""
        return heir
