"""Raft: a leader, elected by a majority for a term, appends to everybody's log and commits what a majority holds.

Sources: Ongaro & Ousterhout 2014 (figure 2); Ongaro's thesis, whose section numbers are cited everywhere.

Phases of a term
    pre-vote      would a majority vote for me? (9.6)          PreCandidate, in the old term
    vote          one vote per voter and term (3.4, 3.6)       Candidate, term + 1; leads once its own vote is durable too
    no-op         opens the term, commits what was inherited   Leader (3.6.2, 6.4)
    replication   probe, then pipeline, or snapshot            Leader (3.5, 10.2.1, 5)
    end           no quorum answers (6.2), a higher term is heard, the leader is removed (4.2.2) or hands over (3.10)

Messages (messages.py)
    PreVote         precandidate -> voters     an election timeout passed, or the connection to the leader broke
    PreVoteReply    any -> precandidate        at once; binds nobody
    Vote            candidate -> voters        after fsync of its own term, vote and log
    VoteReply       any -> candidate           after the vote is durable
    Append          leader -> all              new entries, once per turn; one at a time while probing; empty to ask again
    Appended        follower -> leader         after the entries are durable, once per turn
    Rejected        follower -> leader         the logs do not meet there: conflicting term and its first index
    Heartbeat       leader -> all              every heartbeat_ticks, and whenever reads wait: a new round
    HeartbeatReply  follower -> leader         at once, never behind the disk; confirms the round, reveals lost appends
    Commit          leader -> follower         the commit index moved and there is no append to carry it; never answered
    TimeoutNow      leader -> voter            hand-over: start an election at once
    ReadIndex       follower -> leader         once a turn with reads; again after read_retry_ticks
    ReadIndexReply  leader -> follower         when a round sent after the question was confirmed

Persistent: term and vote (HardState), the log, the snapshot that stands for its dropped part. The commit index is not:
it starts at the snapshot and is learned from the leader.

Invariants: at most one leader per term; a leader never overwrites its own log; logs that agree on (index, term) agree up to
there; a leader's log holds every committed entry; what is applied at an index is the same everywhere (figure 3.2).
Every rule that keeps them is one method in rules.py.

Modules: engine (transition table, roles' beginnings) over state, election, following, leading, handover,
and the shared reads and membership; turn ends the batch.
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.raft.engine import Raft
from quorate.protocols.raft.messages import HardState
from quorate.protocols.raft.options import RaftOptions
from quorate.protocols.raft.rules import Rules

__all__ = ["HardState", "Raft", "RaftOptions", "Rules", "raft"]


def raft(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Raft:
    """The CoreFactory: a node of a Raft group, fresh or from what its log gave back."""
    if not isinstance(options, RaftOptions):
        raise TypeError(f"options must be RaftOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, HardState):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return Raft(node, members, options, rng, incarnation, promise, snapshot, entries)
