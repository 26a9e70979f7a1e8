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
                self._open_run(me, slot)
            elif slot < state.configurations[-1].index + state.options.alpha and state.configurations[-1].index:
                # The new configuration governs only alpha slots on: fill them, or an idle group would never get there.
                self._open(me, Entry(slot, ballot, NO_ORIGIN, Kind.NOOP, b""))
            else:
                break
        if me.batch_bytes:
            me.batches.append((me.opened, me.batch_bytes))
            me.batch_bytes = 0
        if rules.own_vote_counts(durable=False):
            me.voted = me.opened
        self.extend(me, again=False)

    def _open_run(self, me: Leader, first: int) -> None:
        """Slots for all that waits, as far as one configuration governs them and the window reaches."""
        state = self.state
        ballot, waiting = state.ballot, me.waiting
        last = first + len(waiting) - 1
        if state.governing(first) is not state.configurations[-1]:
            last = first
        elif not state.rules.may_open(last, state.commit, state.options.alpha):
            last = max(first, state.commit + state.options.alpha)
        run: list[Entry] = []
        for slot in range(first, last + 1):
            token, data = waiting.popleft()
            me.batch_bytes += len(data) + HEADER_SIZE
            run.append(Entry(slot, ballot, token, Kind.COMMAND, data))
        me.opened = last
        state.log.vote_all(run)

    def own_votes(self, me: Leader, durable: list[Entry]) -> None:
        """These votes of ours are on the disk now. Slots are opened, written and synced in order."""
        if durable and durable[-1].term == self.state.ballot:
            me.voted = max(me.voted, durable[-1].index)

    def _open(self, me: Leader, entry: Entry) -> None:
        me.opened = entry.index
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

    def count_beyond(self, me: Leader, name: NodeId, first: int, last: int) -> None:
        """This node voted in our ballot for all of these slots, which lie beyond a gap in what it has."""
        bit = me.bits.get(name, 0)
        for slot in range(max(first, self.state.commit + 1), min(last, me.opened) + 1):
            me.beyond[slot] = me.beyond.get(slot, 0) | bit

    def choose(self, me: Leader) -> None:
        """Move the commit index over what is chosen without a gap."""
        state = self.state
        upto = {me.bits.get(name, 0): peer.match for name, peer in me.peers.items()}
        upto[me.bits.get(state.node, 0)] = me.voted
        if len(state.configurations) == 1 and not me.beyond:
            commit = self._chosen_upto(me, upto)
        else:
            commit = self._chosen_one_by_one(me, upto)
        if commit == state.commit:
            return
        state.choose(commit)
        while me.batches and me.batches[0][0] <= commit:
            me.unchosen_bytes -= me.batches.popleft()[1]

    def _chosen_upto(self, me: Leader, upto: dict[int, int]) -> int:
        """The slot up to which a quorum of the one configuration that governs has voted. `upto`: by acceptor's bit, where its votes
        in our ballot end."""
        state = self.state
        (configuration,) = state.configurations
        voters, needed = self._mask(configuration), majority(len(configuration.voters))
        for slot in sorted(set(upto.values()), reverse=True):
            if slot <= state.commit:
                break
            if state.rules.is_chosen(_voted(upto, slot), voters, needed):
                return min(slot, me.opened)
        return state.commit

    def _chosen_one_by_one(self, me: Leader, upto: dict[int, int]) -> int:
        """The same where votes lie beyond gaps, or slots are governed by different configurations."""
        state, rules = self.state, self.state.rules
        chosen = state.commit
        for slot in range(state.commit + 1, max(min(me.opened, max(upto.values())), *me.beyond, 0) + 1):
            governing = state.governing(slot)
            acks = _voted(upto, slot) | me.beyond.get(slot, 0)
            if not rules.is_chosen(acks, self._mask(governing), majority(len(governing.voters))):
                continue
            if slot == chosen + 1:
                chosen = slot
            elif slot in me.beyond and slot not in me.chosen:
                me.chosen.add(slot)
                state.note("chosen_out_of_order", slot=slot, commit=state.commit)
        me.beyond = {slot: acks for slot, acks in me.beyond.items() if slot > chosen}
        me.chosen = {slot for slot in me.chosen if slot > chosen}
        return chosen

    def _mask(self, configuration: Configuration) -> int:
        return sum(1 << member.number for member in configuration.members if member.voter)

    def stop(self, me: Leader, ballot: int) -> None:
        """This node leads no more. What has no slot never happens; what has one may be chosen, there and nowhere else."""
        state, log = self.state, self.state.log
        for token, _ in me.waiting:
            state.refuse(token, Reason.NOT_LEADER, state.leader)
        entries = [log.get(slot) for slot in range(state.commit + 1, me.opened + 1)]
        own = [entry for entry in entries if entry is not None and entry.kind == Kind.COMMAND and entry.term == ballot]
        self.acceptor.orphans.add(own, {ballot})
        state.drop_proposed_configurations()


def _voted(upto: dict[int, int], slot: int) -> int:
    """The bits of those whose votes reach that far."""
    return sum(bit for bit, end in upto.items() if end >= slot)
