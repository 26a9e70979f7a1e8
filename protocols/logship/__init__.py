"""Log shipping: a primary and its replicas, as MySQL's binlog. UNSAFE BY DESIGN: it loses acknowledged writes.

It is the control group beside the engines of consensus: it shows what they are for, and that our checkers find what they should. Nobody
is elected; a person promotes another node, and no rule keeps what was acknowledged. Do not keep anything in it that you need.

Sources: MySQL 8.4 Reference Manual, "Replication", 19.4.10 "Semisynchronous Replication" (its names are given where it has one) and
19.4.8 "Switching Sources During Failover".

What it promises, and what not
    asynchronous   an acknowledged write is on the primary's disk (sync_binlog=1), and on no other. Promote a replica, and every write that
                   was not shipped yet is gone, though its client was told "done"; when the former primary comes back, it drops them too.
    semi-          an acknowledged write is also on the disks of `acks` replicas (AFTER_SYNC: nobody reads it before that), until none
    synchronous    answers for ack_timeout_ticks: then the primary goes on as above, noting semisync_off, until enough replicas have
                   caught up again (semisync_on). A primary that is cut off therefore acknowledges writes that the others will never
                   see; and if another replica is promoted than the one that answered, acknowledged writes are lost even without that.
    reads          on the primary only, from its own state, without asking anybody: linearizable while there is one primary. A primary
                   that was replaced and does not know it answers with what it knows: stale, and its writes will be gone. There is no
                   lease: lease reads are the same reads. Replicas refuse, and name the primary that they know of.
    exactly once   sessions are part of the history. Where that is given up, so is what they remember, and their numbers are given to
                   others: a retry may be applied twice, or be answered with what another client was told.
    watches        may have told of changes that never happened. Those at a node that rolls back end, with an error that says so; one that
                   goes on at another node may miss what stands in the place of what it was told.
    promotion      by hand, at the node itself, whatever it lacks. Nothing stops the former primary (two primaries: split brain) until
                   it hears of the new generation; then it steps down, truncates what the new primary's log does not hold, rolls its
                   state back, and notes what it dropped.
    switch-over    in good order (transfer): nothing is lost. If the heir dies at that moment, nobody is primary until people say so.

Phases of a generation
    beginning      the first member of a new cluster, or whoever was promoted: makes its generation durable          Heir
    shipping       what is durable here goes to all, and commits: at once, or when `acks` replicas have it           Primary
    following      takes in what follows a place that both logs hold; truncates what differs, whatever it was        Replica
    ending         hears of a newer generation, or has handed over and says so until it hears                        Retired

Messages (messages.py)
    Ship            primary -> all          after its own fsync: new entries, once per turn; one at a time while probing; the commit index
    Shipped         replica -> primary      after the entries are durable, once per turn
    Mismatch        replica -> primary      the logs do not meet there: where they may; or: mine begins above, I cannot tell
    Heartbeat       primary -> all          every heartbeat_ticks, after the fsync of all that was said before it; the commit index
    HeartbeatReply  any -> primary          at once; reveals lost messages. Also what the primary of an older generation is told
    StartOver       primary -> replica      your log begins with a history that is not mine: give up all of it, state included
    TakeOver        retired -> heir         I stepped down for you, durably; you hold my whole log. Repeated every heartbeat_ticks

Persistent: the tenure (the newest generation heard of, its primary, and on a retired primary its heir), the log, the snapshot. A
generation is (number of promotions, number of the primary) in one integer: 2003 is the second, node 3's. It stays the same when its
primary restarts, which is still the primary: nothing had left that its disk had not. A state machine that has applied what is gone is
rolled back: Effects.rollback.

Invariants (simulation/logship_watch.py): a generation has one primary, ever; a replica's log, as far as acknowledged, and everything
committed in a generation, is a prefix of its primary's; what is committed lies on its primary's disk, and while semi-synchronous on those
of `acks` replicas when they said so; a switch-over in good order loses nothing; within a generation reads see every write
acknowledged in it. Every rule that keeps them is one method in rules.py.

Modules: engine (transition table, end of a turn) over state (log, rollback); succession (promotion, hand-over), shipping (the primary's
side), committing (the two modes), following (the replica's side), and the shared membership.
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.logship.engine import Logship
from quorate.protocols.logship.messages import Tenure
from quorate.protocols.logship.options import LogshipOptions
from quorate.protocols.logship.rules import Rules

__all__ = ["Logship", "LogshipOptions", "Rules", "Tenure", "logship"]


def logship(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Logship:
    """The CoreFactory: a node of a group that ships its log, fresh or from what its log gave back."""
    if not isinstance(options, LogshipOptions):
        raise TypeError(f"options must be LogshipOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, Tenure):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return Logship(node, members, options, promise, snapshot, entries)
