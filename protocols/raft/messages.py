"""The messages of Raft, and what it persists besides entries. Tags 1 to 49 are Raft's (13 and 14, of reads, stand in
protocols/reads); a tag is never reused.

Ongaro & Ousterhout 2014, figure 2; thesis 4.2.3 and 9.6 (pre-vote), 3.10 (TimeoutNow).
"""

from quorate.protocols.core import Message, NodeId, message


@message(1)
class HardState(Message):
    """The promise: durable before anything is answered in this term. `vote` is "" while none was given."""

    term: int
    vote: NodeId


@message(2)
class PreVote(Message):
    """Would you vote for me in term + 1? Binds nobody, changes nothing."""

    term: int
    last_index: int
    last_term: int
    priority: int


@message(3)
class PreVoteReply(Message):
    """`asked` is the term of the request; `term` the answering node's own."""

    term: int
    asked: int
    granted: bool


@message(4)
class Vote(Message):
    """Vote for me in `term`. `hand_over`: the leader itself sent me, its lease is dropped."""

    term: int
    last_index: int
    last_term: int
    hand_over: bool


@message(5)
class VoteReply(Message):
    term: int
    granted: bool


@message(6)
class Append(Message):
    """Entries (protocols/log.pack) to follow (previous_index, previous_term), and how far the log is committed."""

    term: int
    previous_index: int
    previous_term: int
    commit: int
    round: int
    entries: bytes


@message(7)
class Appended(Message):
    """My log equals yours up to `match`, durably. `round` is the highest that I heard."""

    term: int
    match: int
    round: int


@message(8)
class Rejected(Message):
    """My log does not hold `previous_index` as you do. The term I hold there and its first index; 0 if my log ends before."""

    term: int
    previous_index: int
    conflict_term: int
    conflict_index: int
    round: int


@message(9)
class Heartbeat(Message):
    """I lead. `commit` is bounded by what the receiver acknowledged, so it may be believed without entries."""

    term: int
    commit: int
    round: int


@message(10)
class HeartbeatReply(Message):
    """`last` is where the log ends, durable or not: a hint that shows lost appends, never an acknowledgement."""

    term: int
    round: int
    last: int


@message(11)
class Commit(Message):
    """Everything up to `index`, which you acknowledged, is committed. Never answered: the next heartbeat repeats it."""

    term: int
    index: int


@message(12)
class TimeoutNow(Message):
    """Start an election at once: I hand over to you."""

    term: int
