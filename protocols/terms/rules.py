"""The safety rules of elections by terms and votes, of counting, reads and membership, each one method on this one page.

Parts ask these and nobody else, so a test can switch off exactly one safeguard by overriding one method, and show the
invariant that breaks without it. An engine adds the rules of its replication.
"""

from collections.abc import Mapping, Sequence

from quorate.protocols.core import Configuration, NodeId
from quorate.protocols.log import Log
from quorate.protocols.quorum import granted_count


class TermRules:
    """Section numbers: Ongaro's thesis, if no other source is named."""

    log_type: type[Log] = Log
    """Log.clip keeps the rule for truncation against writes in flight."""

    # Persistence

    def term_to_persist(self, term: int) -> int:
        """The current term is durable before anything is answered in it (figure 3.1)."""
        return term

    def vote_to_persist(self, vote: NodeId) -> NodeId:
        """So is the vote: one per term, across restarts (figure 3.1)."""
        return vote

    def own_match(self, log: Log) -> int:
        """The leader counts itself as far as its own log is durable (10.2.1)."""
        return log.durable

    def own_vote_counts(self, *, durable: bool) -> bool:
        """A candidate counts its own vote, and leads, only once that vote is durable."""
        return durable

    def asks_after_sync(self) -> bool:
        """A candidate asks for votes when the term, its vote and the log that it boasts of are durable: a voter may answer
        a request of a life that a crash ended, and the answer must not count for the next one in the same term (3.8)."""
        return True

    # Elections

    def is_stale(self, message_term: int, term: int) -> bool:
        """A message of an older term is not acted upon (figure 3.1)."""
        return message_term < term

    def may_grant(self, vote: NodeId, candidate: NodeId) -> bool:
        """One vote per term, first come, first served (3.4)."""
        return vote in ("", candidate)

    def is_up_to_date(self, theirs: tuple[int, int], ours: tuple[int, int]) -> bool:
        """A vote goes only to a log at least as up to date: last term, then last index (3.6.1)."""
        return theirs >= ours

    def count_votes(self, votes: Mapping[NodeId, int], configuration: Configuration) -> int:
        """A vote is counted once per voter id, and only of a voter (3.4)."""
        return granted_count(votes, configuration.voters)

    def asks_before_campaigning(self) -> bool:
        """Pre-vote: no new term before a majority would vote for it (9.6)."""
        return True

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        """Who hears a leader helps nobody to depose it (4.2.3)."""
        return ticks_since_heard < election_ticks

    def keeps_promise(self, now: int, promised_until: int) -> bool:
        """No vote while the lease that this node's last answer to a leader may have carried can be relied on (6.4.1)."""
        return now < promised_until

    def promised_at_start(self, restarted: bool, promise_ticks: int) -> int:
        """A restarted voter does not remember whom it promised what: it grants nothing for one such period."""
        return promise_ticks if restarted else 0

    def leaves_without_quorum(self, ticks_since_quorum: int, election_ticks: int) -> bool:
        """Check-quorum: a leader that no quorum answered for an election timeout steps down (6.2)."""
        return ticks_since_quorum >= election_ticks

    def governing(self, configurations: Sequence[Configuration], commit: int) -> Configuration:
        """The latest configuration of the log is in force from its append on, committed or not (4.1); so nobody
        counts votes or campaigns by one that its log has already replaced."""
        return configurations[-1]

    # Counting

    def commits_by_counting(self, entry_term: int, term: int) -> bool:
        """Only an entry of the leader's own term commits by counting; those before it commit with it (3.6.2, figure 3.7)."""
        return entry_term == term

    def opens_term_with_noop(self) -> bool:
        """A new leader appends a no-op at once: what it inherited can commit, and reads have an index to rely on (6.4)."""
        return True

    def commit_to_believe(self, commit: int, matched: int) -> int:
        """A follower commits no further than its log is known to equal the leader's (figure 3.1)."""
        return min(commit, matched)

    # Reads

    def may_read(self, commit: int, first_index: int) -> bool:
        """A leader knows what is committed only once an entry of its own term is (6.4)."""
        return commit >= first_index

    def read_round(self, last_round: int) -> int:
        """A read is confirmed by a heartbeat round sent after it arrived, never by one under way (6.4)."""
        return last_round + 1

    def lease_holds(self, now: int, lease_from: int, lease_ticks: int) -> bool:
        """A lease is relied on for its bounded time only (6.4.1)."""
        return now - lease_from < lease_ticks

    def lease_start(self, sent_at: int, now: int) -> int:
        """It counts from the tick at which the confirming heartbeat was sent, not from its answer's."""
        return sent_at

    def drops_lease_before_hand_over(self) -> bool:
        """TimeoutNow starts an election that no promise delays, whenever it arrives: no lease from then on in this term."""
        return True

    # Membership

    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        """One change at a time: the one before is committed, so majorities of old and new overlap (4.1)."""
        return latest.index <= commit

    def own_term_committed(self, commit: int, first_index: int) -> bool:
        """No change before the leader committed an entry of its own term: two leaders' single changes need not overlap
        otherwise (Ongaro, "bug in single-server membership changes", raft-dev 2015)."""
        return commit >= first_index

    # Snapshots

    def may_install(self, snapshot_index: int, commit: int) -> bool:
        """A snapshot older than what is committed here is refused, never adopted."""
        return snapshot_index > commit
