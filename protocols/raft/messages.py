"""The messages of Raft. Tags 1 to 49 are Raft's (1 to 5, of elections, stand in protocols/terms/ballots; 13 and 14, of reads,
in protocols/reads); a tag is never reused.

Ongaro & Ousterhout 2014, figure 2; thesis 3.10 (TimeoutNow).
"""

from quorate.protocols.core import Message, message
from quorate.protocols.terms.ballots import HardState as HardState
from quorate.protocols.terms.ballots import PreVote as PreVote
from quorate.protocols.terms.ballots import PreVoteReply as PreVoteReply
from quorate.protocols.terms.ballots import Vote as Vote
from quorate.protocols.terms.ballots import VoteReply as VoteReply


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


@message(9, is_beat=True)
class Heartbeat(Message):
    """I lead. `commit` is bounded by what the receiver acknowledged, so it may be believed without entries."""

    term: int
    commit: int
    round: int


@message(10, is_beat=True)
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
