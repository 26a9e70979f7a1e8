"""Leadership transfer: stop taking proposals, bring the target up to date, drop the lease, send TakeOver.

Ongaro's thesis 3.10. Abandoned after an election timeout; the outcome is told when somebody leads.
"""

from dataclasses import dataclass

from quorate.protocols.core import NodeId, Reason, Token
from quorate.protocols.multipaxos.messages import TakeOver
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.multipaxos.state import State


@dataclass(slots=True)
class Running:
    to: NodeId
    token: Token
    deadline: int
    """Timer tick."""
    sent_at: int | None = None


class Handover:
    """At most one transfer at a time."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.running: Running | None = None

    def begin(self, to: NodeId, token: Token) -> None:
        state = self.state
        if not isinstance(state.role, Leader):
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        elif to not in state.present.voters:
            state.refuse(token, Reason.BAD_CHANGE, state.node, f"{to} is not a voter")
        elif self.running is not None:
            state.refuse(token, Reason.TRANSFER_FAILED, state.node, f"a transfer to {self.running.to} is under way")
        elif to == state.node:
            state.out.done.append(token)
        else:
            self.running = Running(to, token, state.timer + state.options.election_ticks)
            state.note("transfer_started", to=to)

    def advance(self, me: Leader) -> None:
        """Once a turn: send TakeOver when all is chosen and the target voted for it; again with each heartbeat interval."""
        running, state = self.running, self.state
        if running is None or me.waiting:
            return
        peer = me.peers.get(running.to)
        if peer is None or peer.match < me.opened:
            return
        if running.sent_at is None or state.timer - running.sent_at >= state.options.heartbeat_ticks:
            running.sent_at = state.timer
            self.dismiss(me, running.to)

    def dismiss(self, me: Leader, to: NodeId) -> None:
        """Let `to` prepare now, which no promise to our lease will delay: so there is no lease any more."""
        if self.state.rules.drops_lease_before_hand_over():
            me.lease_forfeited = True
        self.state.send(to, TakeOver(self.state.ballot))

    def tick(self) -> None:
        if self.running is not None and self.state.timer >= self.running.deadline:
            self._fail(f"{self.running.to} did not take over within an election timeout")

    def leader_known(self, leader: NodeId) -> None:
        """Somebody leads a later ballot."""
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
