"""Phase 1 and the classic rounds of Multi-Paxos, where they differ: all votes of a report count, since a fast round may have chosen one
of several values; and slots above the last proposal are not the leader's to give while a fast round is on.
"""

from quorate.protocols.core import Entry, Kind, NodeId, Reason, Token
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.votes import vote_of
from quorate.protocols.fastpaxos.voting import FastVoting
from quorate.protocols.log import HEADER_SIZE
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.preparing import Prepares
from quorate.protocols.multipaxos.proposing import Proposals
from quorate.protocols.multipaxos.roles import Leader, PhaseOne, Preparing


class FastPrepares(Prepares):
    """Keeps whole reports, by acceptor."""

    def __init__(self, state: FastState, acceptor: Acceptor) -> None:
        super().__init__(state, acceptor)
        self.votes: dict[NodeId, dict[int, Entry]] = {}

    def begin(self, me: Preparing) -> None:
        self.votes.clear()
        super().begin(me)

    def _report(self, phase: PhaseOne, acceptor: NodeId, entry: Entry) -> None:
        role = self.state.role
        if entry.index > (role.opened if isinstance(role, Leader) else self.state.commit):
            self.votes.setdefault(acceptor, {})[entry.index] = entry
            phase.end = max(phase.end, entry.index)


class FastProposals(Proposals):
    """What the leader itself proposes, in classic rounds."""

    def __init__(self, state: FastState, acceptor: Acceptor, prepares: FastPrepares, voting: FastVoting) -> None:
        super().__init__(state, acceptor, prepares)
        self.fast_state = state
        self.reports = prepares
        self.voting = voting
        self.blocked = False
        """A fast round is on, or its votes are being gathered: no slot is ours to give."""
        self.picked_to = 0
        """Up to here it is decided what reported slots get."""
        self.sent_before: set[Token] = set()
        """Values that wait for a slot, or got one, since the last fast round; they were sent for one, and may be again."""
        self.first_hand: set[Token] = set()
        """Own proposals that were never sent for a fast round: each gets one slot at most."""

        self.fast_chosen: set[int] = set()
        """Slots above the commit index that a fast round chose."""

    @staticmethod
    def size(data: bytes) -> int:
        return len(data) + HEADER_SIZE

    def is_within_reach(self, me: Leader, slot: int) -> bool:
        """Whether anybody may give that slot: it is in the window, and a quorum of those who decide it has promised our ballot."""
        return super().may_open(me, slot)

    def may_open(self, me: Leader, slot: int) -> bool:
        if self.blocked or self.picked_to < slot <= me.phase.end:
            return False
        if me.waiting and me.waiting[0][0] in self.sent_before and slot > me.phase.end:
            # As in a fast round: a value that was voted for elsewhere may get a slot in the fast window only.
            return slot <= self.state.commit + self.fast_state.figures.fast_window and self.is_within_reach(me, slot)
        return self.is_within_reach(me, slot)

    def open_all(self, me: Leader) -> None:
        before = -1
        while not self.blocked and me.opened > before:
            before = me.opened
            self._pick_reported(me)
            super().open_all(me)

    def _pick_reported(self, me: Leader) -> None:
        """What phase 1 reported, as far as one configuration decides it: rule O4, slot by slot."""
        state, phase = self.fast_state, me.phase
        low = max(me.opened, self.picked_to) + 1
        if low > phase.end or not self.is_within_reach(me, low):
            return
        configuration = state.governing(low)
        high = low
        while high < min(phase.end, state.commit + state.options.alpha) and state.governing(high + 1) is configuration:
            high += 1
        quorum = [name for name in sorted(configuration.voters) if phase.complete.get(name, 0)]
        votes = {name: self.reports.votes.get(name, {}) for name in quorum}
        told = {name: {slot: vote_of(entry) for slot, entry in known.items()} for name, known in votes.items()}
        entries = {(slot, vote_of(entry).value): entry for known in votes.values() for slot, entry in known.items()}
        for slot, value in self.voting.pick(range(low, high + 1), told).items():
            phase.reported[slot] = entries[slot, value]
        self.picked_to = high

    def _open_run(self, me: Leader, first: int) -> None:
        if not self.sent_before:
            super()._open_run(me, first)
            return
        # One by one: each may be one that the fast window bounds.
        token, data = me.waiting.popleft()
        me.batch_bytes += self.size(data)
        self._open(me, Entry(first, self.state.ballot, token, Kind.COMMAND, data))

    def choose(self, me: Leader) -> None:
        super().choose(me)
        state, commit = self.state, self.state.commit
        while commit + 1 in self.fast_chosen:
            commit += 1
            self.fast_chosen.discard(commit)
        if commit > state.commit:
            state.choose(commit)
            super().choose(me)  # what is chosen above it counts now

    def open_picked(self, me: Leader, entry: Entry) -> None:
        """Propose this in the next slot."""
        assert entry.index == me.opened + 1 and self.is_within_reach(me, entry.index), (self.state, entry)
        self._open(me, entry)

    def stop(self, me: Leader, ballot: int) -> None:
        """This node leads no more. What no fast round ever saw never happens if it has no slot, and has one chance if it has; all
        else its proposers send again."""
        state, log = self.state, self.state.log
        for token, _ in me.waiting:
            if token in self.first_hand:
                state.refuse(token, Reason.NOT_LEADER, state.leader)
                self.first_hand.discard(token)
        entries = [log.get(slot) for slot in range(state.commit + 1, me.opened + 1)]
        own = [entry for entry in entries if entry is not None and entry.kind == Kind.COMMAND and entry.origin in self.first_hand]
        self.acceptor.orphans.add(own, {ballot})
        state.drop_proposed_configurations()
        self.first_hand.clear()
        self.sent_before.clear()
        self.picked_to = 0
        self.fast_chosen.clear()
