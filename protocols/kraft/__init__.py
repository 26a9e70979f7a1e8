"""KRaft: Raft by pull. The elected leader of an epoch answers its followers' fetches; what a majority has fetched is committed.

Sources: KIP-595 (the protocol), KIP-630 (snapshots), KIP-853 (membership), KIP-996 (pre-vote), KIP-1166 (high watermark in Fetch);
for what Raft has too, Ongaro's thesis. Kafka's words: epoch is the term, high watermark the commit index, end offset the log's last
index, voters and observers the voters and learners; the shared parts of protocols/terms keep Raft's.

Phases of an epoch
    pre-vote      would a majority vote for me? with the current epoch      PreCandidate, in the old epoch (KIP-996)
    vote          one vote per voter and epoch                              Candidate, epoch + 1; leads once its own vote is durable
    begin         a no-op opens the epoch (the leader-change record);       Leader: nothing commits by counting before that one
                  BeginQuorumEpoch until everybody fetches
    fetching      parked until there is news; records, divergence,          Leader and followers
                  or a snapshot's id
    end           a majority stopped fetching, the leader is removed        EndQuorumEpoch names who holds the most; that one
                  or hands over                                             asks for votes at once

Messages (messages.py; those of elections in protocols/terms/ballots, of reads in protocols/reads)
    PreVote, Vote     (pre)candidate -> voters   as in Raft: the log's end, and the priority
    ...Reply          any -> (pre)candidate      a vote's after it is durable
    BeginQuorumEpoch  leader -> member           when elected, and every heartbeat_ticks to whoever does not fetch
    Fetch             follower -> leader         as soon as the one before was answered: the log's end and its epoch, what is durable,
                                                 the high watermark known, the round heard of; again when more is durable
    Fetched           leader -> follower         when there are records, a higher high watermark, or a new round
    Diverging         leader -> follower         the follower's last entry is not in the leader's log: where they may meet
    SnapshotId        leader -> follower         what follows the follower's last entry is gone: the snapshot that stands for it
    FetchSnapshot     follower -> leader         in answer: let the runtime transfer it
    EndQuorumEpoch    leader -> voters           it resigns: preferred candidates; or to one alone: it hands over
    Fenced            any -> any                 you follow, or lead, an epoch that is over
    ReadIndex         follower -> leader         which index must a read wait for?
    ReadIndexReply    leader -> follower         when a round begun after the question was confirmed

Where this differs from KIP-595. There the offset that a follower fetches from is its acknowledgement, so that it cannot ask for more
before what it has is durable, and the link rests while the disk works. Here a fetch carries both, the log's end and the durable
offset: records flow while the disk works, and the durable offset alone is counted. A fetch that is repeated with the same id tells
a new durable offset and asks for nothing more, so nothing is sent twice. A fetch is parked until the leader's next round, not each
for a wait of its own: the round's number, which comes back with the next fetch, is the proof that reads and the lease need.

Persistent: epoch and vote (HardState), the log, the snapshot that stands for its dropped part. The high watermark is not: it starts at
the snapshot and is learned from the leader.

Invariants: epochs and the high watermark never fall; one leader per epoch; a majority has reached the high watermark; the log begins
after a snapshot; what is committed at an offset is the same everywhere. Every rule that keeps them is one method, of rules.py or
protocols/terms/rules.py.

Modules: engine (the transition table) over leading and fetching, which move entries; all else is shared with Raft (protocols/terms).
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.kraft.engine import KRaft
from quorate.protocols.kraft.options import KRaftOptions
from quorate.protocols.kraft.rules import Rules
from quorate.protocols.terms.ballots import HardState

__all__ = ["HardState", "KRaft", "KRaftOptions", "Rules", "kraft"]


def kraft(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> KRaft:
    """The CoreFactory: a node of a KRaft group, fresh or from what its log gave back."""
    if not isinstance(options, KRaftOptions):
        raise TypeError(f"options must be KRaftOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, HardState):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return KRaft(node, members, options, rng, incarnation, promise, snapshot, entries)
