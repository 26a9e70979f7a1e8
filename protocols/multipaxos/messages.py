"""The messages of Multi-Paxos, and what an acceptor persists besides its votes. Tags 150 to 199 are Multi-Paxos's; a tag is never reused.

Lamport, "Paxos Made Simple" (2001), section 3: phase 1 for infinitely many instances at once. Ballots are packed in one int (ballots.py).
"""

from quorate.protocols.core import Message, message


@message(150)
class Promised(Message):
    """The promise: durable before anything is answered in this ballot. No vote and no promise below it, ever. All up to `chosen` was
    known to be chosen: a restarted node must not depend on acceptors whose configuration governs nothing any more. `number` is the
    node's own, 0 while it does not know it: its name may have stood for another disk, in configurations that it has yet to learn."""

    ballot: int
    chosen: int
    number: int


@message(151)
class Ask(Message):
    """Would you promise me a higher ballot? Binds nobody, changes nothing. All up to `commit` is chosen here; `asked` names
    the question."""

    asked: int
    commit: int


@message(152)
class AskReply(Message):
    """`ballot` is what the answering node has promised: a higher one must be chosen."""

    ballot: int
    asked: int
    granted: bool


@message(153)
class Prepare(Message):
    """Phase 1a, for all slots from `first` on. `hand_over`: the leader itself sent me, its lease is dropped."""

    ballot: int
    first: int
    hand_over: bool


@message(154)
class Promise(Message):
    """Phase 1b: my votes for the slots first .. through (protocols/log.pack), of votes that go up to `last`; what is above `through`
    is to be asked for. All up to `commit` is chosen."""

    ballot: int
    first: int
    through: int
    last: int
    commit: int
    votes: bytes


@message(155)
class Preempted(Message):
    """No promise and no vote in ballot `asked`: I promised `ballot`, or no longer have what you lack."""

    ballot: int
    asked: int


@message(156)
class Accept(Message):
    """Phase 2a: vote for these values (protocols/log.pack) in this ballot, each in its slot. How far all is chosen rides along."""

    ballot: int
    commit: int
    round: int
    values: bytes


@message(157)
class Accepted(Message):
    """Phase 2b: durably, I voted in this ballot for every slot up to `upto` or know it to be chosen; and voted for the slots
    `beyond`, as pairs of first and last. `round` is the highest that I heard."""

    ballot: int
    upto: int
    beyond: tuple[tuple[int, int], ...]
    round: int


@message(158, is_beat=True)
class Heartbeat(Message):
    """I lead. `commit` is bounded by what the receiver acknowledged, so it may be believed without looking. `number` is the receiver's
    in the configuration that has its disk."""

    ballot: int
    commit: int
    round: int
    number: int


@message(159, is_beat=True)
class HeartbeatReply(Message):
    """`last` is as Accepted's `upto`, durable or not: a hint that shows lost accepts, never a vote. All up to `known` is chosen, as this
    node would still know after a crash."""

    ballot: int
    round: int
    last: int
    known: int


@message(160)
class Chosen(Message):
    """Everything up to `index`, which you acknowledged, is chosen. Never answered: the next heartbeat repeats it."""

    ballot: int
    index: int


@message(161)
class TakeOver(Message):
    """Prepare a ballot of your own at once: I hand over to you."""

    ballot: int
