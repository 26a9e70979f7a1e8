"""A leader's office: take proposals in, count what a majority holds and which rounds it answered, hold the lease, know its peers.

How its followers come by the log is each engine's own: Raft pushes, KRaft lets them fetch.
"""

from collections.abc import Callable
from typing import Generic

from quorate.protocols.core import NodeId, Reason, Token
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.progress import CatchUp
from quorate.protocols.quorum import reached
from quorate.protocols.terms.roles import Leader, Peer
from quorate.protocols.terms.state import Figures, Follows, RuleSet, TermState


class Office(Generic[Figures, RuleSet, Follows, Peer]):
    """What does not depend on who moves the entries."""

    def __init__(self, state: TermState[Figures, RuleSet, Follows, Peer], new_peer: Callable[[int, int, CatchUp], Peer]) -> None:
        """`new_peer` makes a peer of whom nothing is known, of (last index, timer tick, catch-up)."""
        self.state = state
        self.new_peer = new_peer

    # Peers

    def meet_peers(self, me: Leader[Peer]) -> None:
        """Know every member of the configuration in force. A removed one is kept until its removal is committed."""
        state = self.state
        for name in state.configuration.names:
            if name != state.node and name not in me.peers:
                me.peers[name] = self.new_peer(state.log.last, state.timer, CatchUp(state.log.last, state.timer))

    def on_changed(self, me: Leader[Peer]) -> None:
        """Another configuration is in force."""
        self.meet_peers(me)
        me.counting_due = True
        # Majorities of the old configuration answered for the lease; the new one must do so anew.
        me.lease_from = None

    def forget(self, me: Leader[Peer], name: NodeId) -> None:
        """Another disk stands under this name."""
        me.peers.pop(name, None)

    def lacks(self, me: Leader[Peer], name: NodeId) -> str:
        """Why the learner has not caught up; empty if it has."""
        state, peer = self.state, me.peers[name]
        if peer.catch_up.done(peer.match, state.log.last, state.timer, state.options.election_ticks):
            return ""
        return f"{name} holds {peer.match} of {state.log.last} entries"

    def heard(self, me: Leader[Peer], peer: Peer, round_: int) -> None:
        """A message of its term came from the peer, which names the highest round that it heard of."""
        peer.heard = self.state.timer
        if round_ > peer.acked_round:
            peer.acked_round = min(round_, me.round)
            me.round_counting_due = True

    # Proposals

    def propose(self, me: Leader[Peer], data: bytes, token: Token) -> None:
        state = self.state
        size = len(data) + HEADER_SIZE
        options = state.options
        if len(data) > options.entry_bytes_max:
            state.refuse(token, Reason.TOO_LARGE, state.node, f"{len(data)} bytes; at most {options.entry_bytes_max}")
        elif me.uncommitted_bytes + size > options.uncommitted_bytes_max:
            state.refuse(token, Reason.OVERLOADED, state.node)
        else:
            me.uncommitted_bytes += size
            me.batch_bytes += size
            state.log.add(state.term, token, 0, data)

    # Counting

    def count_commits(self, me: Leader[Peer]) -> None:
        """Commit what a majority of voters holds durably, if it is of our own term."""
        if not me.counting_due:
            return
        me.counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        peers, node = me.peers, state.node
        own = state.rules.own_match(state.log)
        index = reached([own if name == node else peers[name].match for name in voters])
        if index > state.commit and state.rules.commits_by_counting(state.log.term_at(index) or 0, state.term):
            state.commit = index
            while me.batches and me.batches[0][0] <= index:
                me.uncommitted_bytes -= me.batches.popleft()[1]

    def count_rounds(self, me: Leader[Peer]) -> None:
        """Which round a quorum has answered; the lease counts from when that one was sent."""
        me.round_counting_due = False
        state = self.state
        voters = state.configuration.voters
        if not voters:
            return
        peers, node = me.peers, state.node
        round_ = reached([me.round if name == node else peers[name].acked_round for name in voters])
        if round_ <= me.confirmed_round:
            return
        me.confirmed_round = round_
        sent = me.rounds_sent
        while sent and sent[0][0] <= round_:
            me.lease_from = state.rules.lease_start(sent.popleft()[1], state.now)

    def open_round(self, me: Leader[Peer], round_: int) -> None:
        """Rounds are numbered; one that was begun may be sent again."""
        state = self.state
        if round_ > me.round:
            me.round = round_
            me.rounds_sent.append((round_, state.now))
        every = state.options.heartbeat_ticks
        me.heartbeat_at = state.now + every - (state.now % every if state.options.beats_together else 0)
        me.round_counting_due = True

    def has_lease(self, me: Leader[Peer]) -> bool:
        """Whether no other leader can have been elected yet, while clocks keep their bound."""
        state = self.state
        if me.lease_forfeited or not state.rules.may_read(state.commit, me.first_index):
            return False
        if state.configuration.voters == {state.node}:
            return True
        return me.lease_from is not None and state.rules.lease_holds(state.now, me.lease_from, state.options.lease_ticks)

    def has_lost_quorum(self, me: Leader[Peer]) -> bool:
        """Check-quorum: no majority answered within an election timeout."""
        state = self.state
        timer, peers, node = state.timer, me.peers, state.node
        voters = state.configuration.voters
        if not voters:
            return False
        heard = reached([timer if name == node else peers[name].heard for name in voters])
        return state.rules.leaves_without_quorum(timer - heard, state.options.election_ticks)
