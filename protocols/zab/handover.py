"""Leadership transfer: stop taking proposals, bring the target up to date, drop the lease, hand over, and follow.

Two steps, so that a dead target costs nothing: the target alone is told first; when it says that it leads, everybody else is released to
it and this node follows too. No election: whoever leads is checked in discovery like any other. Abandoned after an election timeout.
"""

from dataclasses import dataclass

from quorate.protocols.core import NodeId, Reason, Token
from quorate.protocols.zab.following import opened_by
from quorate.protocols.zab.messages import HandOver
from quorate.protocols.zab.roles import Leader
from quorate.protocols.zab.state import State


@dataclass(slots=True)
class Running:
    to: NodeId
    token: Token
    deadline: int
    """Timer tick."""
    link: int = 0
    """The link on which the target was told."""


class Handover:
    """At most one transfer at a time."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.running: Running | None = None

    def begin(self, to: NodeId, token: Token) -> None:
        state = self.state
        if state.serving is None:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        elif to not in state.configuration.voters:
            state.refuse(token, Reason.BAD_CHANGE, state.node, f"{to} is not a voter")
        elif self.running is not None:
            state.refuse(token, Reason.TRANSFER_FAILED, state.node, f"a transfer to {self.running.to} is under way")
        elif to == state.node:
            state.out.done.append(token)
        else:
            self.running = Running(to, token, state.timer + state.options.election_ticks)
            state.note("transfer_started", to=to)

    def advance(self, me: Leader) -> None:
        """Once a turn: tell the target when it holds the whole log, once on each link; the channel repeats it."""
        running = self.running
        if running is None:
            return
        peer = me.peers.get(running.to)
        if peer is None or peer.channel is None or peer.channel.link == running.link:
            return
        if peer.told_up_to_date and peer.match >= self.state.log.last:
            running.link = peer.channel.link
            self.dismiss(me, running.to, running.to)

    def dismiss(self, me: Leader, name: NodeId, to: NodeId) -> None:
        """Release `name` to follow `to`, which no promise to our lease will delay: so there is no lease any more."""
        state, target, peer = self.state, me.peers.get(to), me.peers[name]
        if peer.channel is None or target is None or target.channel is None:
            return
        if state.rules.drops_lease_before_hand_over():
            me.lease_forfeited = True
        state.send(name, peer.channel.frame(state.timer, 0, False, HandOver, to, opened_by(target.channel.link)))

    def release(self, me: Leader, to: NodeId) -> None:
        """Everybody else may go over to `to`."""
        for name in me.peers:
            if name != to:
                self.dismiss(me, name, to)

    def tick(self) -> None:
        if self.running is not None and self.state.timer >= self.running.deadline:
            self._fail(f"{self.running.to} did not take over within an election timeout")

    def leader_known(self, leader: NodeId) -> None:
        """Somebody serves in a later epoch."""
        if self.running is None:
            return
        if leader == self.running.to:
            self.state.out.done.append(self.running.token)
            self.state.note("transfer_done", to=leader)
            self.running = None
        else:
            self._fail(f"{leader} leads instead")

    def _fail(self, detail: str) -> None:
        assert self.running is not None, self.state
        self.state.refuse(self.running.token, Reason.TRANSFER_FAILED, self.state.leader, detail)
        self.state.note("transfer_failed", to=self.running.to)
        self.running = None
