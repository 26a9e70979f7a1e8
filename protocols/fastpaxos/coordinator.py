"""Coordinator: begin fast rounds and end them, watch for collisions and losses, recover from both.

Fast Paxos, 2.2 (Any), 2.3 (coordinated recovery); when to leave for classic rounds, and when to come back, is section 2.4's matter.
"""

from dataclasses import dataclass, field

from quorate.protocols.core import NO_ORIGIN, Change, Entry, Kind, NodeId, Reason, Token, proposed_again
from quorate.protocols.fastpaxos.messages import Any, Close, Closed, Values
from quorate.protocols.fastpaxos.proposer import Proposer
from quorate.protocols.fastpaxos.proposing import FastProposals
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.votes import Value, Vote, vote_of
from quorate.protocols.fastpaxos.voting import FastVoting
from quorate.protocols.log import unpack
from quorate.protocols.membership import Membership
from quorate.protocols.multipaxos.changes import Changes
from quorate.protocols.multipaxos.handover import Handover
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.progress import REPLICATE, SNAPSHOT

# The pause after a fast round that lost votes doubles up to this many times.
PAUSE_DOUBLINGS_MAX = 6
# After so many slots that a fast round chose, losses before it are forgotten.
STEADY_SLOTS = 64
# Changes that wait for a fast round to end; beyond it they are refused as overloaded.
CHANGES_MAX = 16


@dataclass(slots=True)
class Closing:
    """What the acceptors report of a fast round that is being ended."""

    stage: int
    first: int
    expected: dict[NodeId, int] = field(default_factory=dict)
    complete: set[NodeId] = field(default_factory=set)
    votes: dict[NodeId, dict[int, Entry]] = field(default_factory=dict)


class Coordinator:
    """A leader's work beside Multi-Paxos's. What is here belongs to one ballot; `begin` starts anew."""

    def __init__(
        self,
        state: FastState,
        voting: FastVoting,
        proposer: Proposer,
        proposals: FastProposals,
        changes: Changes,
        membership: Membership[Leader],
        handover: Handover,
    ) -> None:
        self.state = state
        self.voting = voting
        self.proposer = proposer
        self.proposals = proposals
        self.changes = changes
        self.membership = membership
        self.handover = handover
        self.waiting_changes: list[tuple[Change, Token]] = []
        self.begin()

    def begin(self) -> None:
        """A new ballot: no fast round yet."""
        self.told_at = 0
        self.message: Any | None = None
        """What was announced last."""
        self.open = False
        """A fast round is on; slots above Leader.opened are its acceptors' to give."""
        self.closing: Closing | None = None
        self.tails: dict[NodeId, int] = {}
        """Up to where each acceptor said that it had voted in the present fast round."""
        self.since: int | None = None
        """Timer tick from which the next slot has votes and is not chosen."""
        self.fast_at = 0
        """Timer tick before which no fast round begins."""
        self.losses = 0
        """Fast rounds in a row in which votes were lost."""
        self.collisions = self.steady = 0
        self.adopted: dict[int, set[NodeId]] = {}
        """By slot that the fast round chose: whose votes did."""
        self.proposals.blocked = False

    def stop(self) -> None:
        """This node leads no more."""
        for _, token in self.waiting_changes:
            self.state.refuse(token, Reason.NOT_LEADER, self.state.leader)
        self.waiting_changes.clear()
        self.begin()

    # Once a turn

    def turn(self, me: Leader) -> None:
        state = self.state
        if self.closing is not None:
            self._finish(me, self.closing)
        if self.open:
            self._watch(me)
        if self.open:
            if not self._wants(me) or self._is_used_up(me):
                self._close(me)
        elif self.closing is None:
            if self._wants(me) and self._may_begin(me):
                self._open(me)
            elif self.message is not None:
                self._queue_own(me)
            if self.waiting_changes and me.opened >= me.phase.end and self.proposals.may_open(me, me.opened + 1):
                changes, self.waiting_changes = self.waiting_changes, []
                for change, token in changes:
                    self.membership.reconfigure(change, token)
        self.proposals.blocked = self.open or self.closing is not None
        self._note_acknowledged(me)
        if self.adopted:
            below = state.commit - 2 * state.figures.fast_window
            for slot in [slot for slot in self.adopted if slot <= below]:
                del self.adopted[slot]

    # Fast or classic

    def _wants(self, me: Leader) -> bool:
        """Whether a fast round would do: its configuration is settled, and a fast quorum of it is alive."""
        state, configuration = self.state, self.state.configuration
        if not state.figures.fast or self.waiting_changes or self.handover.running is not None:
            return False
        settled = len(state.configurations) == 1 and configuration.index <= self.changes.commit
        if not settled or any(member.promote and not member.voter for member in configuration.members):
            return False
        limit = state.timer - state.figures.live_ticks
        alive = sum(
            name == state.node or (name in me.peers and me.peers[name].heard > limit and me.peers[name].state != SNAPSHOT)
            for name in configuration.voters
        )
        return state.decides(configuration) and alive >= state.fast_rules.fast_quorum(len(configuration.voters))

    def _may_begin(self, me: Leader) -> bool:
        state = self.state
        return (
            not me.opening_due
            and state.timer >= self.fast_at
            and state.fast_rules.may_begin(me.opened, me.phase.end)
            and self.proposals.is_within_reach(me, me.opened + 1)
        )

    def _is_used_up(self, me: Leader) -> bool:
        assert self.message is not None, self.state
        return me.opened >= self.message.through - self.state.figures.fast_window

    def _open(self, me: Leader) -> None:
        """Phase 2a of a fast round."""
        state = self.state
        first = me.opened + 1
        self._announce(me, first, first + state.figures.stage_slots + state.figures.fast_window)
        self.open = True
        self.since, self.collisions, self.steady = None, 0, 0
        # What waits for a slot goes the fast way; others send theirs again by themselves.
        waiting = list(me.waiting)
        me.waiting.clear()
        for token, data in waiting:
            me.unchosen_bytes -= self.proposals.size(data)
            if token in self.proposals.first_hand:
                self.proposals.first_hand.discard(token)
                self.proposer.add(data, token)
        self.proposals.sent_before.clear()
        state.note("fast_round", first=first)

    def _announce(self, me: Leader, first: int, through: int) -> None:
        number = 2 if self.message is None else self.message.stage + 2
        self.message = Any(self.state.ballot, number, first, through)
        self.tails.clear()
        self.adopted.clear()
        self.proposals.sent_before.clear()
        self.voting.hear(self.message)
        self.tell(me)

    def tell(self, me: Leader) -> None:
        """Tell everybody what is on; again with each periodic heartbeat, for it may be lost."""
        self.told_at = self.state.now
        if self.message is not None:
            for name in me.peers:
                self.state.send(name, self.message)
        if self.closing is not None:
            self._ask_all(self.closing)

    def _queue_own(self, me: Leader) -> None:
        """Classic rounds: own values that lost in a fast one wait for a slot, as those that others send us do."""
        stage = self.voting.stage
        if stage is None or stage.is_fast or not self.proposer.pending:
            return
        for value in self.proposer.take(stage, self.proposer.due(stage)):
            self._queue(me, value)

    def on_values(self, me: Leader, message: Values, values: list[Entry]) -> None:
        """In classic rounds values that lost in a fast one are sent to the leader."""
        if self.message is not None and message.stage == self.message.stage and not self.open and self.closing is None:
            for value in values:
                self._queue(me, value)

    def _queue(self, me: Leader, value: Entry) -> None:
        size = self.proposals.size(value.data)
        room = me.unchosen_bytes + size <= self.state.options.unchosen_bytes_max
        if room and value.origin not in self.proposals.sent_before:
            self.proposals.sent_before.add(value.origin)
            me.unchosen_bytes += size
            me.waiting.append((value.origin, value.data))

    # While a fast round is on

    def _watch(self, me: Leader) -> None:
        """Take over what was chosen, in order; recover where nothing can be, or where it takes too long."""
        state, voting = self.state, self.voting
        before = me.opened
        while self.proposals.is_within_reach(me, slot := me.opened + 1):
            found = self._chosen(slot)
            if found is None:
                if not self._recover(me, slot):
                    break
            elif not self._adopt(me, slot, *found):
                state.note("value_lacking", slot=slot)
                self._close(me)
                return
        if me.opened > before:
            self.since = None
        stage = voting.stage
        assert stage is not None, state
        voted = any(slot > me.opened for known in stage.votes.values() for slot in (max(known, default=0),))
        if not voted and max([voting.tail[1], *self.tails.values()]) <= me.opened:
            self.since = None
        elif self.since is None:
            self.since = state.timer
        elif state.timer - self.since >= state.figures.recovery_ticks:
            state.note("votes_lost", slot=me.opened + 1)
            self.losses = min(self.losses + 1, PAUSE_DOUBLINGS_MAX)
            self.fast_at = state.timer + (state.figures.pause_ticks << (self.losses - 1))
            self._close(me)
            return
        if self.collisions >= state.figures.collisions_max:
            self._close(me)

    def _chosen(self, slot: int) -> tuple[int, set[NodeId]] | None:
        """(origin, acceptors) if a fast quorum has chosen it."""
        stage, voters = self.voting.stage, self.state.governing(slot).voters
        assert stage is not None, self.state
        found = stage.chosen_at(slot, voters, self.state.fast_rules)
        if found is None:
            return None
        origin, table = found
        return origin, {name for name, known in table.items() if known.get(slot) == origin}

    def _adopt(self, me: Leader, slot: int, origin: int, voters: set[NodeId]) -> bool:
        """A fast round chose it, so it is what our ballot proposes there. False if its data never came here."""
        state = self.state
        value = self.voting.value(slot, origin)
        if value is None:
            return False
        if state.log.get(slot) is not value:
            state.log.vote(value)
        self.voting.accepted(slot)
        me.opened = slot
        self.proposals.fast_chosen.add(slot)
        self.adopted[slot] = voters
        for name in voters:
            peer = me.peers.get(name)
            if peer is not None and peer.next == slot and peer.state == REPLICATE:
                peer.next = slot + 1  # it has the value
        self.steady += 1
        if self.steady >= STEADY_SLOTS:
            self.losses = 0
        return True

    def _note_acknowledged(self, me: Leader) -> None:
        """Who voted for what the fast round chose has acknowledged it by that."""
        for name, peer in me.peers.items():
            while name in self.adopted.get(peer.match + 1, ()):
                peer.acked(peer.match + 1)

    def _recover(self, me: Leader, slot: int) -> bool:
        """Coordinated recovery: if votes have collided, go on with the next round, of which they are the phase 1b messages."""
        state, stage = self.state, self.voting.stage
        assert stage is not None, state
        if state.figures.uncoordinated or not stage.has_collided(slot, state.governing(slot).voters, state.fast_rules):
            return False
        slots, told = self.voting.heard(slot)
        slots = range(slots.start, min(slots.stop, state.commit + state.options.alpha + 1))
        if not slots or not told:
            return False
        told = {name: {at: vote for at, vote in votes.items() if at in slots} for name, votes in told.items()}
        picked = self.voting.pick(slots, told)
        values: list[Entry] = []
        for at in slots:
            value = self._value(at, picked.get(at))
            if value is None:
                return False  # its data never came here: closing brings it
            values.append(value)
        state.note("collision", slot=slot, through=slots[-1])
        self.collisions += 1
        for value in values:
            self.proposals.open_picked(me, value)
        self.voting.accepted(me.opened)
        return True

    def _value(self, slot: int, picked: Value | None) -> Entry | None:
        ballot = self.state.ballot
        if picked is None:
            return Entry(slot, ballot, NO_ORIGIN, Kind.NOOP, b"")
        value = self.voting.value(slot, picked[1])
        return None if value is None else proposed_again(value, ballot)

    # Ending a fast round

    def _close(self, me: Leader) -> None:
        """Phase 1a of what follows: nobody votes in this round any more, and a classic quorum reports its votes."""
        assert self.message is not None and self.open, self.state
        self.open = False
        closing = self.closing = Closing(self.message.stage, me.opened + 1)
        self.voting.close(Close(self.state.ballot, closing.stage, closing.first))
        for name in sorted(self.state.governing(closing.first).voters - {self.state.node}):
            closing.expected[name] = closing.first
        self._ask_all(closing)
        self.state.note("fast_round_ends", stage=closing.stage, opened=me.opened)

    def _ask_all(self, closing: Closing) -> None:
        for name, first in closing.expected.items():
            if name not in closing.complete:
                self.state.send(name, Close(self.state.ballot, closing.stage, first))

    def on_closed(self, sender: NodeId, message: Closed) -> None:
        closing = self.closing
        if closing is None or message.stage != closing.stage or closing.expected.get(sender) != message.first:
            return
        try:
            votes = unpack(message.votes)
        except ValueError as problem:
            self.state.note("closed_malformed", sender=sender, problem=str(problem))
            return
        known = closing.votes.setdefault(sender, {})
        known.update((entry.index, entry) for entry in votes)
        if message.through < message.last:
            closing.expected[sender] = message.through + 1
            self.state.send(sender, Close(self.state.ballot, closing.stage, message.through + 1))
        else:
            closing.complete.add(sender)

    def _finish(self, me: Leader, closing: Closing) -> None:
        """Decide every slot that a quorum has reported, then go on."""
        state = self.state
        node, voters = state.node, state.governing(closing.first).voters
        if state.promise_durable and node not in closing.complete:
            cast = (self.voting.cast(closing.stage, slot) for slot in range(closing.first, state.log.last + 1))
            closing.votes[node] = {entry.index: entry for entry in cast if entry is not None}
            closing.complete.add(node)
        quorum = sorted(closing.complete & voters)
        if node not in quorum or len(quorum) < state.fast_rules.recovery_quorum(len(voters)):
            return
        reported = max((slot for name in quorum for slot in closing.votes.get(name, ())), default=0)
        end = state.fast_rules.closes_at(max([reported, *self.tails.values()]), me.opened)
        slots = range(me.opened + 1, end + 1)
        told: dict[NodeId, dict[int, Vote]] = {
            name: {slot: vote_of(entry) for slot, entry in closing.votes.get(name, {}).items()} for name in quorum
        }
        picked = self.voting.pick(slots, told) if slots else {}
        entries = {(slot, vote_of(entry).value): entry for name in quorum for slot, entry in closing.votes.get(name, {}).items()}
        for slot, value in picked.items():
            me.phase.reported[slot] = entries[slot, value]
        me.phase.end = self.proposals.picked_to = max(me.phase.end, end)
        self.closing = None
        self.proposals.blocked = False
        # What was decided gets its slots first; values that lost go to the leader until the next fast round.
        self._announce(me, end + 1, end)

    # Reads

    def read_floor(self, me: Leader) -> int:
        """Up to here slots may be chosen without our knowing it."""
        state = self.state
        if not self.open and self.closing is None:
            return max(state.commit, me.phase.end)
        return state.fast_rules.read_floor(state.commit, max([me.opened, self.voting.tail[1], *self.tails.values()]))

    def note_tail(self, sender: NodeId, stage: int, tail: int) -> None:
        if self.message is not None and stage == self.message.stage:
            self.tails[sender] = max(self.tails.get(sender, 0), tail)
