"""Phase 2 at the proposer: give slots to values, count votes, choose.

Slots are opened one after the other, each with what phase 1 reported there, a no-op where nothing was reported below the highest
reported slot, or else the next proposal; at most alpha are open. Votes come in any order, so slots are chosen in any order; what is
chosen counts, and is applied, as far as it has no gap ("Paxos Made Simple", 3).
"""

from quorate.protocols.core import NO_ORIGIN, Configuration, Entry, Kind, NodeId, Reason, proposed_again
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.preparing import Prepares
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.multipaxos.state import State
from quorate.protocols.quorum import majority


class Proposals:
    """What this node proposes in its own ballot."""

    def __init__(self, state: State, acceptor: Acceptor, prepares: Prepares) -> None:
        self.state = state
        self.acceptor = acceptor
        self.prepares = prepares

    # Opening slots

    def may_open(self, me: Leader, slot: int) -> bool:
        """Whether the window reaches that slot, and a quorum of the acceptors that decide it has promised our ballot."""
        state = self.state
        if not state.rules.may_open(slot, state.commit, state.options.alpha):
            return False
        configuration = state.governing(slot)
        return self.is_prepared(me, configuration) and state.decides(configuration)

    def is_prepared(self, me: Leader, configuration: Configuration) -> bool:
        """Whether a quorum of it has promised our ballot; once it has, that stays so."""
        if configuration.index in me.prepared or (me.prepared and not self.state.rules.prepares_each()):
            return True
        if not self.prepares.has_quorum(me.phase, configuration):
            return False
        me.prepared.add(configuration.index)
        return True

    def open_all(self, me: Leader) -> None:
        """Once a turn: give a slot to all that waits for one, as far as the window and phase 1 allow."""
        state, phase = self.state, me.phase
        ballot, rules = state.ballot, state.rules
        while self.may_open(me, slot := me.opened + 1):
            if slot <= phase.end and rules.proposes_reported():
                reported = phase.reported.pop(slot, None)
                if reported is None:
                    state.note("gap_filled", slot=slot)
                    self._open(me, Entry(slot, ballot, NO_ORIGIN, Kind.NOOP, b""))
                else:
                    self._open(me, proposed_again(reported, ballot))
                    state.adopt_configurations([reported] if slot in state.log.changes else [])
            elif me.opening_due:
                me.opening_due = False
                self._open(me, Entry(slot, ballot, NO_ORIGIN, Kind.NOOP, b""))
            elif me.waiting:
                token, data = me.waiting.popleft()
                me.batch_bytes += len(data) + HEADER_SIZE
                self._open(me, Entry(slot, ballot, token, Kind.COMMAND, data))
            elif slot < state.configurations[-1].index + state.options.alpha and state.configurations[-1].index:
                # The new configuration governs only alpha slots on: fill them, or an idle group would never get there.
                self._open(me, Entry(slot, ballot, NO_ORIGIN, Kind.NOOP, b""))
            else:
                break
        if me.batch_bytes:
            me.batches.append((me.opened, me.batch_bytes))
            me.batch_bytes = 0
        if rules.own_vote_counts(durable=False):
            self.count(me, state.node, state.commit + 1, me.opened)
        self.extend(me, again=False)

    def own_votes(self, me: Leader, durable: list[Entry]) -> None:
        """These votes of ours are on the disk now."""
        ballot, node = self.state.ballot, self.state.node
        if durable and durable[0].term == durable[-1].term == ballot and durable[-1].index - durable[0].index + 1 == len(durable):
            self.count(me, node, durable[0].index, durable[-1].index)
            return
        for entry in durable:
            if entry.term == ballot:
                self.count(me, node, entry.index, entry.index)

    def _open(self, me: Leader, entry: Entry) -> None:
        me.opened = entry.index
        me.acks[entry.index] = 0
        self.state.log.vote(entry)

    def open_change(self, me: Leader, data: bytes) -> Entry:
        """A configuration gets the next slot, before any proposal that waits."""
        entry = Entry(me.opened + 1, self.state.ballot, NO_ORIGIN, Kind.CONFIGURATION, data)
        assert self.may_open(me, entry.index), (self.state, entry)
        self._open(me, entry)
        return entry

    def extend(self, me: Leader, *, again: bool) -> None:
        """The next slot is governed by others than those who promised: prepare it with them, from that slot on. Asked at once, and
        again with each heartbeat round until a quorum has answered."""
        state, phase, slot = self.state, me.phase, me.opened + 1
        if not state.rules.may_open(slot, state.commit, state.options.alpha):
            return
        configuration = state.governing(slot)
        if not self.is_prepared(me, configuration) and (again or me.extended_to != configuration.index):
            me.extended_to = configuration.index
            for name in sorted(configuration.voters - {state.node} - phase.complete.keys()):
                self.prepares.ask(phase, name, max(phase.expected.get(name, 0), slot), hand_over=False)

    # Counting votes

    def count(self, me: Leader, name: NodeId, first: int, last: int) -> None:
        """This node voted in our ballot for all of these slots, or knows them to be chosen, which is the same."""
        bit = me.bits.get(name, 0)
        acks, chosen, state = me.acks, me.chosen, self.state
        configuration: Configuration | None = None
        for slot in range(max(first, state.commit + 1), min(last, me.opened) + 1):
            acks[slot] |= bit
            if slot in chosen:
                continue
            governing = state.governing(slot)
            if governing is not configuration:
                configuration, needed, voters = governing, majority(len(governing.voters)), self._mask(me, governing)
            if state.rules.is_chosen(acks[slot], voters, needed):
                chosen.add(slot)
                if slot > state.commit + 1 and slot - 1 not in chosen:
                    state.note("chosen_out_of_order", slot=slot, commit=state.commit)

    def _mask(self, me: Leader, configuration: Configuration) -> int:
        return sum(1 << member.number for member in configuration.members if member.voter)

    def choose(self, me: Leader) -> None:
        """Move the commit index over what is chosen without a gap."""
        state, chosen = self.state, me.chosen
        commit = state.commit
        while commit + 1 in chosen:
            commit += 1
            chosen.discard(commit)
            del me.acks[commit]
        if commit == state.commit:
            return
        state.choose(commit)
        while me.batches and me.batches[0][0] <= commit:
            me.unchosen_bytes -= me.batches.popleft()[1]

    def stop(self, me: Leader, ballot: int) -> None:
        """This node leads no more. What has no slot never happens; what has one may be chosen, there and nowhere else."""
        state, log = self.state, self.state.log
        for token, _ in me.waiting:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        entries = [log.get(slot) for slot in range(state.commit + 1, me.opened + 1)]
        own = [entry for entry in entries if entry is not None and entry.kind == Kind.COMMAND and entry.term == ballot]
        self.acceptor.orphans.add(own, {ballot})
        state.drop_proposed_configurations()
