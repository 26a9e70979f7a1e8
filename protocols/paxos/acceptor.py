"""The acceptor: votes, at most once per ballot, and never in a ballot older than it promised. PMS, section 2.2, P1a.

The rule it keeps: what an answer says is durable before the answer leaves. So an acceptor does not answer: it returns the state to
write and the answer to send afterwards, and a crash between the two loses both.
"""

from dataclasses import dataclass

from quorate.protocols.paxos.messages import NO_BALLOT, Accept, Accepted, Ballot, Prepare, Promise, Refused


@dataclass(frozen=True, slots=True)
class AcceptorState:
    """All that an acceptor must remember."""

    promised: Ballot = NO_BALLOT
    accepted: Ballot = NO_BALLOT
    value: bytes | None = None


FRESH = AcceptorState()


@dataclass(frozen=True, slots=True)
class Answer:
    """Make `write` durable if there is any, then send `reply`: a Promise or a Refused to the proposer, an Accepted to all learners."""

    write: AcceptorState | None
    reply: Promise | Accepted | Refused


class Acceptor:
    """One acceptor, fresh or from what its disk gave back."""

    def __init__(self, state: AcceptorState = FRESH) -> None:
        self.state = state

    def __repr__(self) -> str:
        state = self.state
        vote = "nothing" if state.value is None else f"{state.value!r} in {state.accepted}"
        return f"<Acceptor promised={state.promised} accepted {vote}>"

    def receive(self, message: Prepare | Accept) -> Answer:
        """A message again gives the same answer again: replies get lost, and proposers ask anew."""
        if self._is_too_old(message.ballot):
            return Answer(None, Refused(message.ballot, self.state.promised))
        before = self.state
        match message:
            case Prepare(ballot):
                self.state = AcceptorState(ballot, before.accepted, before.value)
                reply: Promise | Accepted = Promise(ballot, before.accepted, before.value)
            case Accept(ballot, value):
                assert before.accepted != ballot or before.value == value, f"two values in one ballot: {self} {message}"
                self.state = AcceptorState(ballot, ballot, value)
                reply = Accepted(ballot, value)
        return Answer(None if self.state == before else self.state, reply)

    def _is_too_old(self, ballot: Ballot) -> bool:
        return ballot < self.state.promised
