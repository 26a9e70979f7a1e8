"""Every safety rule of the engine, each one method on this one page.

The engine asks these and nobody else, so a test can switch off exactly one safeguard by overriding one method, and show
the invariant that breaks without it. Steps: Junqueira, Reed & Serafini, DSN 2011, section V, unless another source is named.
"""

from collections.abc import Collection, Sequence

from quorate.protocols.core import Configuration, NodeId
from quorate.protocols.fifo import Channel
from quorate.protocols.log import Log


class Rules:
    """The rules as the paper has them."""

    log_type: type[Log] = Log
    """Log.clip keeps the rule for truncation against writes in flight."""

    channel_type: type[Channel] = Channel
    """FIFO channels: what is handed out comes in order, without gaps, once (section III)."""

    # Persistence

    def accepted_to_persist(self, accepted: int, current: int) -> int:
        """The accepted epoch is durable before it is acknowledged (discovery, step f.1.1)."""
        return accepted

    def current_to_persist(self, current: int) -> int:
        """So is the current epoch (synchronization, step f.2.1)."""
        return current

    def acks_new_leader_after_sync(self) -> bool:
        """A follower acknowledges NEWLEADER when the epoch's history and then its number are durable, never before."""
        return True

    def acks_proposals_after_sync(self) -> bool:
        """A follower acknowledges a proposal when it is durable (broadcast, step f.3.1)."""
        return True

    def tells_epoch_after_sync(self) -> bool:
        """Nobody hears of an epoch from a node that could forget, in a crash, that it made it."""
        return True

    def own_match(self, log: Log) -> int:
        """The leader counts itself as far as its own log is durable."""
        return log.durable

    # Election

    def is_old_round(self, theirs: int, ours: int) -> bool:
        """A vote of an earlier round counts no more (fast leader election). This one keeps the cluster going: what a leader
        elected by wrong votes could break, discovery prevents."""
        return theirs < ours

    def is_two_way(self, heard_ticks_ago: int | None, election_ticks: int) -> bool:
        """Nobody votes for a node that does not show that it hears: a permanent one-way partition would elect it for ever.
        Our own addition, for the network is not TCP's."""
        return heard_ticks_ago is not None and heard_ticks_ago <= election_ticks

    # Discovery

    def history_order(self, epoch: int, last_term: int, last_index: int) -> tuple[int, int, int]:
        """Histories compare by current epoch, then by last zxid: nobody leads while a follower of its quorum holds more."""
        return epoch, last_term, last_index

    def next_epoch(self, heard: Collection[int]) -> int:
        """Later than every epoch that a quorum has accepted (discovery, step l.1.1)."""
        return max(heard) + 1

    def ack_counts(self, epoch: int, accepted: int, *, same_leader: bool) -> bool:
        """One leader per epoch: a node that accepted this very epoch from another says so, and is not counted."""
        return epoch > accepted or same_leader

    def refuses_epoch(self, epoch: int, accepted: int) -> bool:
        """An epoch older than the accepted one is never followed."""
        return epoch < accepted

    def quorum_of(self, nodes: Collection[NodeId], configuration: Configuration) -> bool:
        """Only voters count, each once."""
        return 2 * len(configuration.voters.intersection(nodes)) > len(configuration.voters)

    # Synchronization

    def truncates(self) -> bool:
        """What the leader's history does not hold goes before anything of it comes (TRUNC)."""
        return True

    def current_at_discovery(self) -> bool:
        """The epoch becomes current with NEWLEADER, once its history is here; not when it is accepted."""
        return False

    def may_establish(self, acked: Collection[NodeId], configuration: Configuration) -> bool:
        """Nothing is served or proposed before a quorum has acknowledged NEWLEADER (synchronization, step l.2.2)."""
        return self.quorum_of(acked, configuration)

    def leaves_without_quorum(self, ticks_since_quorum: int, election_ticks: int) -> bool:
        """A leader that no quorum of its followers has answered leads no more."""
        return ticks_since_quorum >= election_ticks

    # Reads

    def may_read(self, commit: int, first_index: int) -> bool:
        """An established leader has committed all that was before its epoch."""
        return commit >= first_index - 1

    def read_round(self, last_round: int) -> int:
        """A read is confirmed by a round of pings sent after it arrived, never by one under way."""
        return last_round + 1

    def lease_holds(self, now: int, lease_from: int, lease_ticks: int) -> bool:
        """A lease is relied on for its bounded time only."""
        return now - lease_from < lease_ticks

    def lease_start(self, sent_at: int, now: int) -> int:
        """It counts from the tick at which the confirming ping was sent, not from its answer's."""
        return sent_at

    def keeps_promise(self, now: int, promised_until: int) -> bool:
        """No later epoch is accepted while the lease that this node's last pong may have carried can be relied on."""
        return now < promised_until

    def promised_at_start(self, restarted: bool, promise_ticks: int) -> int:
        """A restarted voter does not remember whom it promised what: it accepts no epoch for one such period."""
        return promise_ticks if restarted else 0

    def drops_lease_before_hand_over(self) -> bool:
        """HANDOVER releases its receivers from their promises: no lease from then on in this epoch."""
        return True

    # Membership

    def governing(self, configurations: Sequence[Configuration], commit: int) -> Configuration:
        """The latest configuration of the log is in force from its proposal on, committed or not."""
        return configurations[-1]

    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        """One change at a time: the one before is committed, so quorums of old and new overlap."""
        return latest.index <= commit

    def own_term_committed(self, commit: int, first_index: int) -> bool:
        """An established leader needs no entry of its own: a quorum's current epoch shuts out all earlier leaders."""
        return commit >= first_index - 1
