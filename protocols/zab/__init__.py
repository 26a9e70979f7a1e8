"""ZAB, ZooKeeper's atomic broadcast: a leader brings a quorum to its own history before it serves, then proposes on FIFO channels.

Sources: Junqueira, Reed & Serafini, "Zab: High-performance broadcast for primary-backup systems", DSN 2011 (sections cited below);
the election is ZooKeeper's fast leader election, the acknowledgement of NEWLEADER that of its ZAB 1.0.

Phases (V.A)
    0 election          votes by (current epoch, zxid, number), told again when a better one is heard     Looking
    1 discovery         an epoch later than any that a quorum has accepted; nobody in it holds more       Leader, Follower
    2 synchronization   every follower is brought to the leader's history: DIFF, TRUNC or SNAP            Leader, Follower
    3 broadcast         a quorum has acknowledged NEWLEADER: the history is committed, serving begins     Leader, Follower
A leader without a quorum, a follower without its leader, and whoever finds a channel broken go back to 0.

A zxid is (epoch, counter). Here it is (Entry.term, Entry.index): the counter goes on from epoch to epoch, so that log indexes are
dense; it has 64 bits of its own, and no epoch ends because its counter does. Observers are what the interface calls learners.

Messages (messages.py; F: on the FIFO channel, in order)
    Notification    looking -> voters        whom I vote for; when that changes, and again ever more seldom. Others answer one who looks,
                                             and a leader invites members that do not follow it, with each round of pings
  F FollowerInfo    follower -> leader       opens a link: my accepted epoch                                (V.A step f.1.1)
  F LeaderInfo      leader -> followers      the new epoch, once it is durable at the leader                (NEWEPOCH, l.1.1)
  F AckEpoch        follower -> leader       after fsync of the accepted epoch: what history I hold         (f.1.1)
  F Diff            leader -> follower       what you hold is a prefix of mine                              (l.2.1)
  F Trunc           leader -> follower       drop what you hold after this zxid                             (l.2.1)
  F Snap            leader -> follower       you were streamed this snapshot                                (l.2.1)
  F NewLeader       leader -> followers      all from before this epoch has been sent to you                (l.2.1)
  F AckNewLeader    follower -> leader       after fsync of that history and of the current epoch           (f.2.1)
  F UpToDate        leader -> follower       a quorum has acknowledged: serve; the commit index             (l.2.2)
  F Proposal        leader -> voters         new entries, once per turn, and before NewLeader old ones      (l.3.1)
  F Ack             voter -> leader          after fsync of the entries, once per turn                      (f.3.1)
  F Commit          leader -> followers      the commit index moved                                         (l.3.2)
  F Inform          leader -> observers      entries that are committed
  F HandOver        leader -> followers      who leads next, without an election
    Ping            leader -> followers      every heartbeat_ticks, and whenever reads wait: a new round
    Pong            follower -> leader       at once, never behind the disk; or when much arrived and nothing else confirms it
    Closed          leader -> follower       I lead no more, or know no such link: look again at once
    ReadIndex(Reply)  follower -> leader and back: protocols/reads

Persistent: accepted and current epoch (Epochs), the history (the log), the snapshot that stands for its dropped part. The commit
index is not: it starts at the snapshot and is learned with UpToDate.

Reads: a leader confirms its commit index by a round of pings, sent after the read arrived, that a quorum of voters answers: whoever
answers follows its epoch and had accepted none later. No no-op is proposed, and followers ask the leader for the index. The lease
is that of Raft here: after a pong a voter accepts no later epoch for lease_ticks and a tenth, and none for as long after a restart.

Membership: changes as protocols/membership has them. The configuration in force is the log's latest, from its proposal on; an
established leader has committed all that was before it, and its current epoch at a quorum shuts out leaders who have not.

Invariants (III; each rule that keeps them is one method in rules.py): at most one established leader per epoch; commits in zxid
order, the same everywhere (total order, agreement, integrity); what an earlier epoch committed comes before what a later one
proposes (primary order), and a leader proposes nothing before it has delivered that (primary integrity); the accepted epoch is
never below the current one, and whose current epoch is e holds the history that e began with.

Modules: engine (transition table, roles' beginnings) over state, election, discovery, leading, following, promises, handover, and
the shared fifo, reads and membership; turn ends the batch.
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.zab.engine import Zab
from quorate.protocols.zab.messages import Epochs
from quorate.protocols.zab.options import ZabOptions
from quorate.protocols.zab.rules import Rules

__all__ = ["Epochs", "Rules", "Zab", "ZabOptions", "zab"]


def zab(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Zab:
    """The CoreFactory: a node of a ZAB group, fresh or from what its log gave back."""
    if not isinstance(options, ZabOptions):
        raise TypeError(f"options must be ZabOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, Epochs):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return Zab(node, members, options, rng, incarnation, promise, snapshot, entries)
