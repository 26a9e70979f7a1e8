"""Phase 1 at the proposer: prepare one ballot for all slots from the first that is not known to be chosen, and gather the reports.

"Paxos Made Simple", 2.2 and 3. A quorum is needed of each configuration that governs a slot before anything is proposed for it
("Reconfiguring a State Machine", 2010): of the first one to lead at all, of later ones when the window reaches them.
"""

from quorate.protocols.core import Configuration, Entry, NodeId
from quorate.protocols.log import unpack
from quorate.protocols.multipaxos.acceptor import Acceptor
from quorate.protocols.multipaxos.messages import Prepare, Promise
from quorate.protocols.multipaxos.roles import Leader, PhaseOne, Preparing
from quorate.protocols.multipaxos.state import State
from quorate.protocols.quorum import majority


class Prepares:
    """Prepares and reports of this node's own ballots."""

    def __init__(self, state: State, acceptor: Acceptor) -> None:
        self.state = state
        self.acceptor = acceptor

    def begin(self, me: Preparing) -> None:
        """Our own votes are the first report; it counts when the promise is durable."""
        state = self.state
        for slot in range(state.commit + 1, state.log.last + 1):
            entry = state.log.get(slot)
            if entry is not None:
                self._report(me.phase, state.node, entry)
        self.ask_acceptors(me)

    def ask_acceptors(self, me: Preparing) -> None:
        """Whoever governs a slot of the window and was not asked yet: what is learned on the way may name others."""
        state = self.state
        voters = state.present.voters | state.governing(state.commit + state.options.alpha).voters
        for name in sorted(voters - {state.node} - me.phase.expected.keys()):
            self.ask(me.phase, name, state.commit + 1, hand_over=me.hand_over)

    def ask(self, phase: PhaseOne, name: NodeId, first: int, *, hand_over: bool) -> None:
        """Ask for the next part of an acceptor's report. The first time it must not overtake the fsync of the ballot: a promise to one
        that was forgotten must not count for its next life."""
        state = self.state
        phase.expected[name] = first
        message = Prepare(state.ballot, first, hand_over)
        if state.promise_durable:
            state.send(name, message)
        else:
            state.send_after_sync(name, message)

    def on_promise(self, phase: PhaseOne, sender: NodeId, message: Promise, *, hand_over: bool) -> bool:
        """Take in one part of a report. Whether it was one that we waited for."""
        state = self.state
        if phase.expected.get(sender) != message.first and sender not in phase.complete:
            return False
        try:
            votes = unpack(message.votes)
        except ValueError as problem:
            state.note("promise_malformed", sender=sender, problem=str(problem))
            return False
        if sender not in phase.complete:
            for entry in votes:
                self._report(phase, sender, entry)
            phase.end = max(phase.end, message.last)
            self._learn(message, votes)
            if message.through < message.last:
                self.ask(phase, sender, message.through + 1, hand_over=hand_over)
                return True
        phase.complete[sender] = phase.complete.get(sender, 0) + 1
        return True

    def _learn(self, message: Promise, votes: list[Entry]) -> None:
        """What the reporting node knows to be chosen is no longer to be proposed, only to be known."""
        state = self.state
        if isinstance(state.role, Preparing):
            for entry in votes:
                if entry.index == state.commit + 1 and entry.index <= message.commit:
                    self.acceptor.learn(entry)

    def _report(self, phase: PhaseOne, acceptor: NodeId, entry: Entry) -> None:
        """Keep it if its slot is still to be proposed for, and no higher ballot was reported there."""
        role = self.state.role
        if entry.index <= (role.opened if isinstance(role, Leader) else self.state.commit):
            return
        known = phase.reported.get(entry.index)
        if known is None or self.state.rules.outvotes(entry, known):
            phase.reported[entry.index] = entry
        phase.end = max(phase.end, entry.index)

    def has_quorum(self, phase: PhaseOne, configuration: Configuration) -> bool:
        """Whether a quorum of that configuration has promised our ballot, and reported all it voted for."""
        rules = self.state.rules
        return rules.prepared(rules.count_promises(phase.complete, configuration), majority(len(configuration.voters)))

    def own_promise(self, phase: PhaseOne) -> None:
        """Count ourselves, once the ballot is durable here."""
        if self.state.rules.own_promise_counts(durable=self.state.promise_durable):
            phase.complete[self.state.node] = 1
