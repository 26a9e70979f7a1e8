"""How long a node may be left alone: until the first tick that may do something, if nothing arrives before it.

The rule: never later than the tick at which a node that is ticked all along would act; sooner does no harm. So whoever hosts a thousand
idle groups need not tick each of them a hundred times a second. Whatever has work under way that ticks drive is due at once.
"""

from typing import Generic

from quorate.protocols.quorum import reached
from quorate.protocols.reads import Reads
from quorate.protocols.terms.election import Elections
from quorate.protocols.terms.handover import Handover
from quorate.protocols.terms.roles import Leader, Peer
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState


class Idleness(Generic[Figures, RuleSet, Follows, Peer]):
    """What ticks of a node's own would do next."""

    def __init__(
        self,
        state: TermState[Figures, RuleSet, Follows, Peer],
        elections: Elections[Figures, RuleSet, Follows, Peer],
        handover: Handover[Figures, RuleSet, Follows, Peer],
        reads: Reads[Leader[Peer]],
    ) -> None:
        self.state = state
        self.elections = elections
        self.handover = handover
        self.reads = reads

    def due_ticks(self) -> int:
        """As `Idling.due_ticks`, but for what the engine's leader does for its peers."""
        state, elections = self.state, self.elections
        if elections.promise_fresh or self.reads.waiting_count or self.handover.running is not None:
            return 1
        role = state.role
        if isinstance(role, Leader):
            return max(1, min(role.heartbeat_at - state.now, self._quorum_ticks(role)))
        return max(1, elections.timeout - (state.timer - elections.since))

    def _quorum_ticks(self, me: Leader[Peer]) -> int:
        """Until check-quorum would end this leadership. A learner that is to vote is looked at with every tick."""
        state = self.state
        timer, peers = state.timer, me.peers
        heard: list[int] = []
        for member in state.configuration.members:
            if member.voter:
                heard.append(timer if member.name == state.node else peers[member.name].heard)
            elif member.promote:
                return 1
        if not heard:
            return 1
        return state.options.election_ticks - (timer - reached(heard))
