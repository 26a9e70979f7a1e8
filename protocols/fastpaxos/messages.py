"""The messages that Fast Paxos has beside Multi-Paxos's, and what an acceptor persists besides its votes. Tags 200 to 249 are Fast
Paxos's; a tag is never reused.

Lamport, "Fast Paxos" (2006), section 2; a fast round is named by its ballot and its number within it (package page).
"""

from quorate.protocols.core import Message, message


@message(200)
class FastPromised(Message):
    """The promise. `ballot`, `chosen` and `number` as Multi-Paxos has them; and in this ballot no vote in a fast round below `stage`,
    nor after a restart in that one."""

    ballot: int
    chosen: int
    number: int
    stage: int


@message(201)
class Any(Message):
    """Phase 2a of a fast round: vote for any value, in the slots first .. through in order of arrival. With `through` below `first`
    there is no fast round: values go to the leader."""

    ballot: int
    stage: int
    first: int
    through: int


@message(202)
class Values(Message):
    """Values from a proposer (protocols/log.pack, slots zero), for the fast round that Any(ballot, stage, first, through) began."""

    ballot: int
    stage: int
    first: int
    through: int
    values: bytes


@message(203)
class Voted(Message):
    """Phase 2b of a fast round: durably, I voted in the slots from `first` on for values of these origins. Zero: not there, and I
    never shall in this round."""

    ballot: int
    stage: int
    first: int
    origins: tuple[int, ...]


@message(204)
class Close(Message):
    """Phase 1a of what follows this fast round: vote in it no more, and report what you voted for from slot `first` on."""

    ballot: int
    stage: int
    first: int


@message(205)
class Closed(Message):
    """Phase 1b: I vote in that round no more. My votes for the slots first .. through (protocols/log.pack), of votes that go up to
    `last`; what is above `through` is to be asked for."""

    ballot: int
    stage: int
    first: int
    through: int
    last: int
    votes: bytes


@message(206)
class FastHeartbeatReply(Message):
    """As Multi-Paxos's HeartbeatReply; and in the fast round `stage` I have voted in slots up to `tail`: any of them may be chosen
    without the leader's knowing it yet."""

    ballot: int
    round: int
    last: int
    known: int
    stage: int
    tail: int
