"""What is persisted and said in elections: the promise, pre-votes and votes. Tags 1 to 5.

Ongaro & Ousterhout 2014, figure 2; thesis 4.2.3 and 9.6 (pre-vote). KIP-595 and KIP-996 have the same four messages under the
same rules, so KRaft speaks these too, with its epochs for terms and end offsets for last indexes.
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
