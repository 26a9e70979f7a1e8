"""Who is primary: the first member when the cluster is made, and from then on whom people say. Roles change here only.

Rule kept here: nobody is promoted by a timeout. By hand (PromoteByHand) a replica becomes primary whatever that loses, and nothing stops
the former primary, if it lives, until it hears of the new generation. In good order (transfer) the primary takes in nothing new, waits
until the heir holds everything, steps down durably, and only then tells the heir: nothing is lost, and if the heir dies at that
moment nobody is primary until people say so.
"""

from quorate.protocols.core import NO_ORIGIN, Kind, NodeId, Reason, Token
from quorate.protocols.logship.messages import TakeOver, next_generation
from quorate.protocols.logship.roles import HandingOver, Heir, Primary, Replica, Retired
from quorate.protocols.logship.shipping import Shipping
from quorate.protocols.logship.state import State


class Succession:
    """The beginnings and ends of tenures."""

    def __init__(self, state: State, shipping: Shipping) -> None:
        self.state = state
        self.shipping = shipping

    def begin(self, *, fresh: bool) -> None:
        """At the start of an incarnation: a primary is one still, and who had handed over has."""
        state = self.state
        if state.primary == state.node:
            if state.heir:
                state.role = Retired(state.heir, state.timer)
            elif state.number:
                state.role = Heir(by_hand=False)
        elif fresh and state.number and state.number == self._lowest_number():
            self._promote(Heir(by_hand=False))
        elif state.primary:
            state.role = Replica(state.primary)

    def _lowest_number(self) -> int:
        """The first member of a new cluster begins as its primary."""
        return min((member.number for member in self.state.configuration.members if member.voter), default=0)

    def promote_by_hand(self, name: NodeId, token: Token) -> None:
        """An operator says so, and has to know."""
        state = self.state
        match state.role:
            case _ if name != state.node:
                detail = f"this is {state.node}: who is to be promoted by hand must be asked itself"
                state.refuse(token, Reason.BAD_CHANGE, state.leader, detail)
            case Primary():
                state.out.done.append(token)
            case Heir() as me:
                me.tokens.append(token)
            case _ if not state.number:
                detail = f"{name} is no voter, with the disk that it has, in the configuration that it knows"
                state.refuse(token, Reason.BAD_CHANGE, state.leader, detail)
            case _ if state.generation and not state.log.last:
                detail = f"{name} holds nothing yet: as primary it would have all others drop everything"
                state.refuse(token, Reason.BAD_CHANGE, state.leader, detail)
            case before:
                self._end(before)
                state.note("promoted_by_hand", last=state.log.last, commit=state.commit, former=state.primary or None)
                self._promote(Heir(by_hand=True, tokens=[token]))

    def on_take_over(self, message: TakeOver) -> None:
        """The primary has stepped down for this node, if it still is the node that the primary saw."""
        state, log = self.state, self.state.log
        if state.number and state.rules.may_take_over(log, message.index, message.term):
            self._promote(Heir(by_hand=False))
        else:
            state.note("take_over_declined", index=message.index, last=log.last)

    def _promote(self, heir: Heir) -> None:
        state = self.state
        state.set_tenure(next_generation(state.generation, state.number), state.node)
        state.role = heir
        self.advance()

    def advance(self) -> None:
        """A batch became durable, or time passed: an heir whose generation is durable is primary."""
        state, log = self.state, self.state.log
        heir = state.role
        if not isinstance(heir, Heir) or not state.rules.leads(durable=state.promise_durable):
            return
        opens = log.last_term != state.generation
        first = log.last + 1 if opens else log.last
        me = Primary(first, state.options.semisync, heartbeat_at=state.now)
        state.role = me
        self.shipping.meet_peers(me)
        if opens:
            log.add(state.generation, NO_ORIGIN, Kind.NOOP, b"")
        state.out.done += heir.tokens
        state.note("became_primary", by_hand=heir.by_hand, first=first)

    def follow(self, generation: int, primary: NodeId | None) -> None:
        """Somebody speaks for a newer generation, or for the one whose primary was not known yet."""
        state, before = self.state, self.state.role
        state.set_tenure(generation, primary or "")
        self._end(before, primary)
        state.role = Replica(primary)
        state.note("follows", primary=primary)

    def _end(self, before: Primary | Heir | Retired | Replica, successor: NodeId | None = None) -> None:
        """What was asked of the former role gets its answer."""
        state = self.state
        match before:
            case Primary():
                state.note("stepped_down", last=state.log.last, commit=state.commit)
                for token in before.reads:
                    state.refuse(token, Reason.NOT_LEADER, successor)
                if before.handing is not None:
                    self._fail(before.handing.token, "another was made primary meanwhile")
            case Heir():
                for token in before.tokens:
                    self._fail(token, "another was promoted at the same time")
            case Retired(token=token) if token is not None:
                if successor == before.heir:
                    state.out.done.append(token)
                else:
                    self._fail(token, "another was made primary meanwhile")

    # In good order

    def hand_over(self, to: NodeId, token: Token) -> None:
        state, me = self.state, self.state.role
        if not isinstance(me, Primary):
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        elif to not in state.configuration.voters:
            state.refuse(token, Reason.BAD_CHANGE, state.node, f"{to} is not a voter")
        elif me.handing is not None:
            state.refuse(token, Reason.TRANSFER_FAILED, state.node, f"a transfer to {me.handing.to} is under way")
        elif to == state.node:
            state.out.done.append(token)
        else:
            me.handing = HandingOver(to, token, state.timer + state.options.silence_ticks, me.round + 1)
            me.heartbeat_at = state.now
            state.note("transfer_started", to=to)

    def advance_hand_over(self, me: Primary) -> None:
        """Once a turn: step down when the heir, alive, holds everything."""
        state, handing = self.state, me.handing
        assert handing is not None, state
        peer = me.peers.get(handing.to)
        last = state.log.last
        settled = state.commit == last
        if peer is None or peer.acked_round < handing.round or not settled or not state.rules.may_hand_over(peer.match, last):
            return
        state.set_tenure(state.generation, state.node, handing.to)
        for token in me.reads:
            state.refuse(token, Reason.NOT_LEADER, None)
        state.role = Retired(handing.to, state.timer, handing.token, state.timer + state.options.silence_ticks)
        state.note("retired", heir=handing.to, last=last)
        self._tell(state.role)

    def _tell(self, me: Retired) -> None:
        """After the sync of what says that we are primary no more."""
        state, log = self.state, self.state.log
        me.told_at = state.timer
        state.send_after_sync(me.heir, TakeOver(state.generation, log.last, log.last_term))

    def tick(self) -> None:
        state = self.state
        match state.role:
            case Heir():
                self.advance()
            case Primary(handing=HandingOver() as handing) as me if state.timer >= handing.deadline:
                me.handing = None
                self._fail(handing.token, f"{handing.to} did not get everything in time; {state.node} goes on")
            case Retired() as retired:
                if state.timer - retired.told_at >= state.options.heartbeat_ticks:
                    self._tell(retired)
                if retired.token is not None and state.timer >= retired.deadline:
                    detail = (
                        f"{state.node} has stepped down and {retired.heir} does not say that it took over; it still may. "
                        f"If it is gone, promote a node by hand: {state.node} holds everything"
                    )
                    self._fail(retired.token, detail)
                    retired.token = None

    def _fail(self, token: Token, detail: str) -> None:
        self.state.refuse(token, Reason.TRANSFER_FAILED, self.state.leader, detail)
        self.state.note("transfer_failed", detail=detail)
