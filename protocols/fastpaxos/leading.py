"""A leader's rounds and reads, where fast rounds change them: Any is told with each heartbeat, a leader knows less than it leads.

In a fast round others learn what is chosen as soon as the leader does, or sooner. So its lease says nothing about reads; and a read
waits not only for what the leader knows to be chosen, but for every slot that any acceptor of the confirming quorum had voted in.
"""

from quorate.protocols.core import FAST, Entry, Message
from quorate.protocols.fastpaxos.coordinator import Coordinator
from quorate.protocols.fastpaxos.messages import FastHeartbeatReply
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.voting import FastVoting
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.leading import Leading
from quorate.protocols.multipaxos.messages import Accept, Heartbeat
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Follower, Leader
from quorate.protocols.reads import Reads


class FastAcceptor(Acceptor):
    """What a node does for others' classic rounds."""

    voting: FastVoting

    def on_accept(self, me: Follower, message: Accept) -> None:
        super().on_accept(me, message)
        # A round is confirmed with the tail beside it, by FastHeartbeatReply alone.
        me.round = 0
        self.voting.accepted(max([me.upto, *(last for _, last in me.beyond)]))

    def heartbeat_reply(self, me: Follower, message: Heartbeat) -> Message:
        self.voting.tell_again()
        return FastHeartbeatReply(self.state.ballot, message.round, me.upto, self.state.known_durable, *self.voting.tail)


class FastLeading(Leading):
    """What a leader knows of its peers, and tells them."""

    coordinator: Coordinator

    def __init__(self, state: FastState, proposals: Proposals) -> None:
        super().__init__(state, proposals)
        self.fast_state = state

    def has_lease(self, me: Leader) -> bool:
        coordinator = self.coordinator
        if (coordinator.open or coordinator.closing is not None) and not self.fast_state.fast_rules.lease_holds_in_fast_rounds():
            return False
        return super().has_lease(me)

    def start_round(self, me: Leader, round_: int) -> None:
        super().start_round(me, round_)
        state, coordinator = self.state, self.coordinator
        if state.now >= coordinator.told_at + state.options.heartbeat_ticks:
            coordinator.tell(me)
            coordinator.voting.tell_again()

    def replicate(self, me: Leader, batch: list[Entry], packed: bytes) -> None:
        whole = not batch or (batch[-1].index - batch[0].index + 1 == len(batch) and not any(entry.kind & FAST for entry in batch))
        if whole:
            super().replicate(me, batch, packed)
        else:
            super().replicate(me, [], b"")


class FastReads(Reads[Leader]):
    """Reads of one node."""

    coordinator: Coordinator

    def serve(self, me: Leader) -> None:
        # A confirmed read may wait for slots to be chosen.
        me.round_counting_due |= bool(self.rounds)
        super().serve(me)

    def _confirm(self, me: Leader) -> None:
        self.heartbeats.count_rounds(me)
        while self.rounds and self.rounds[0].round <= me.confirmed_round:
            waiting = self.rounds[0]
            if not waiting.confirmed:
                waiting.confirmed = True
                waiting.index = max(waiting.index, self.coordinator.read_floor(me))
            if waiting.index > self.state.commit:
                break
            self._answer(self.rounds.popleft())
