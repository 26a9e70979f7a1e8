"""The Fast Paxos core: Multi-Paxos, and what fast rounds add to its transition table and its turn.

Rule kept here: a fast vote is an acceptor's own doing, under a ballot that it has promised and a fast round that the ballot's owner
began; it is told to all when it is durable.
"""

from random import Random

from quorate.protocols.core import FAST, Change, Configuration, Effects, Entry, Message, NodeId, Reason, Snapshot, Token
from quorate.protocols.fastpaxos.coordinator import CHANGES_MAX, Coordinator
from quorate.protocols.fastpaxos.leading import FastAcceptor, FastLeading, FastReads
from quorate.protocols.fastpaxos.messages import Any, Close, Closed, FastHeartbeatReply, FastPromised, Values, Voted
from quorate.protocols.fastpaxos.options import FastPaxosOptions
from quorate.protocols.fastpaxos.proposer import Proposer
from quorate.protocols.fastpaxos.proposing import FastPrepares, FastProposals
from quorate.protocols.fastpaxos.rules import FastRules
from quorate.protocols.fastpaxos.state import FastState
from quorate.protocols.fastpaxos.voting import FastVoting, values_of
from quorate.protocols.membership import Membership
from quorate.protocols.multipaxos.changes import Changes
from quorate.protocols.multipaxos.election import Elections
from quorate.protocols.multipaxos.engine import MultiPaxos
from quorate.protocols.multipaxos.handover import Handover
from quorate.protocols.multipaxos.messages import Accept, Chosen, Heartbeat, HeartbeatReply, Promise
from quorate.protocols.multipaxos.roles import Leader, Preparing
from quorate.protocols.multipaxos.turn import Turn


class FastPaxos(MultiPaxos):
    """One node of one Fast Paxos group; see the package's page."""

    rules = FastRules()
    """A test-only subclass puts broken ones here."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: FastPaxosOptions,
        rng: Random,
        incarnation: int,
        promise: FastPromised | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        state = self.fast_state = FastState(node, members, options, self.rules, rng, incarnation, promise, snapshot, entries)
        self.state = state
        acceptor = FastAcceptor(state)
        self.acceptor = acceptor
        self.voting = acceptor.voting = FastVoting(state, acceptor)
        self.proposer = Proposer(state, self.voting)
        self.elections = Elections(state, acceptor)
        prepares = FastPrepares(state, acceptor)
        self.prepares = prepares
        proposals = self.fast_proposals = FastProposals(state, acceptor, prepares, self.voting)
        self.proposals = proposals
        leading = FastLeading(state, proposals)
        self.leading = leading
        reads = FastReads(state, leading)
        self.reads = reads
        changes = Changes(state, proposals)
        self.membership: Membership[Leader] = Membership(changes, leading)
        self.handover = Handover(state)
        self.turn = Turn(state, acceptor, proposals, leading, reads, changes, self.membership, self.handover)
        self.coordinator = Coordinator(state, self.voting, self.proposer, proposals, changes, self.membership, self.handover)
        leading.coordinator = reads.coordinator = self.coordinator
        self.told = (0, 0)
        """(ballot, slot): up to where its leader has said that all is chosen."""
        self.snapshots: list[Snapshot] = []
        """Our own, which stand for slots that must not be dropped yet."""

    # Events

    def receive(self, sender: NodeId, message: Message) -> None:
        """The transition table, as far as it is not Multi-Paxos's."""
        state = self.state
        match state.role, message:
            case _, Any():
                if self._follow(sender, message.ballot):
                    self.voting.hear(message)
            case _, Close():
                if self._follow(sender, message.ballot):
                    self.voting.on_close(sender, message)
            case _, Values():
                self._on_values(message)
            case _, Voted():
                self.voting.on_voted(sender, message)
            case Leader(), Closed() if message.ballot == state.ballot:
                self.coordinator.on_closed(sender, message)
            case Leader() as me, FastHeartbeatReply() if message.ballot == state.ballot:
                self.coordinator.note_tail(sender, message.stage, message.tail)
                self.leading.on_heartbeat_reply(me, sender, HeartbeatReply(message.ballot, message.round, message.last, message.known))
            case Leader() as me, Promise() if not self._is_report_wanted(me, sender):
                pass  # all that it could report has been decided without it
            case _, Closed() | FastHeartbeatReply():
                pass  # a late reply to a role, or a ballot, that we have left
            case _, Accept() | Heartbeat() | Chosen():
                super().receive(sender, message)
                commit = message.index if isinstance(message, Chosen) else message.commit
                if message.ballot == state.ballot:
                    self.told = max(self.told, (state.ballot, commit))
            case _:
                super().receive(sender, message)

    def _is_report_wanted(self, me: Leader, sender: NodeId) -> bool:
        """Late reports matter for slots that others decide than those who promised; they begin where phase 1 has not been, and no
        fast round was."""
        state = self.state
        if not state.rules.may_open(me.opened + 1, state.commit, state.options.alpha):
            return True
        configuration = state.governing(me.opened + 1)
        return sender in configuration.voters and not self.proposals.is_prepared(me, configuration)

    def _on_values(self, message: Values) -> None:
        state = self.state
        if message.ballot != state.ballot:
            return
        try:
            values = values_of(message)
        except ValueError as problem:
            state.note("values_malformed", problem=str(problem))
            return
        # Who sends values has heard Any: that is as good as hearing it from the coordinator.
        stage = self.voting.stage
        if stage is None or message.stage > stage.number:
            stage = self.voting.hear(Any(message.ballot, message.stage, message.first, message.through))
        if stage is None or stage.number != message.stage:
            return
        if stage.is_fast:
            self.voting.vote(values)
        elif isinstance(state.role, Leader):
            self.coordinator.on_values(state.role, message, values)

    def synced(self, serial: int) -> None:
        state = self.state
        durable = state.synced(serial)
        self.voting.own_votes(durable)
        role = state.role
        if isinstance(role, Leader):
            self.proposals.own_votes(role, [entry for entry in durable if not entry.kind & FAST])
        elif isinstance(role, Preparing):
            self._on_promises(role)

    # Requests

    def propose(self, data: bytes, token: Token) -> None:
        state, stage, role = self.state, self.voting.stage, self.state.role
        fast = self.coordinator.open if isinstance(role, Leader) else state.leader is not None and stage is not None and stage.is_fast
        if not fast or self.handover.running is not None:
            super().propose(data, token)
            if isinstance(role, Leader) and role.waiting and role.waiting[-1][0] == token:
                self.fast_proposals.first_hand.add(token)
        elif len(data) > state.options.entry_bytes_max:
            state.refuse(token, Reason.TOO_LARGE, state.leader, f"{len(data)} bytes; at most {state.options.entry_bytes_max}")
        else:
            self.proposer.add(data, token)

    def reconfigure(self, change: Change, token: Token) -> None:
        coordinator, role = self.coordinator, self.state.role
        if isinstance(role, Leader) and (coordinator.open or coordinator.closing is not None):
            # A change gets a slot from the leader: the fast round ends for it.
            if len(coordinator.waiting_changes) < CHANGES_MAX:
                coordinator.waiting_changes.append((change, token))
            else:
                self.state.refuse(token, Reason.OVERLOADED, self.state.node)
        else:
            super().reconfigure(change, token)

    # Snapshots

    def compact(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self._drop_covered()

    def _drop_covered(self) -> None:
        """Drop slots that a snapshot stands for, once nobody can ask which origins won them."""
        state, stage, (ballot, told) = self.fast_state, self.voting.stage, self.told
        if isinstance(state.role, Leader):
            known = state.commit
        else:
            # The leader of a fast round may know less than we do, and will ask for our votes.
            known = max(0 if stage is None else stage.first - 1, told if ballot == state.ballot else 0)
        window = state.figures.fast_window
        able = [one for one in self.snapshots if one.index <= known and state.fast_rules.may_drop(one.index, state.commit, window)]
        if able:
            self.snapshots = [one for one in self.snapshots if one.index > able[-1].index]
            self.voting.note_chosen()
            super().compact(able[-1])

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        before = self.state.snapshot
        super().received(sender, snapshot)
        if self.state.snapshot is not before:
            self.voting.pass_over()
            self.proposer.pass_over()

    # Roles change here only

    def _become_follower(self, ballot: int, leader: NodeId | None) -> None:
        led = isinstance(self.state.role, Leader)
        super()._become_follower(ballot, leader)
        if led:
            self.coordinator.stop()

    def _become_leader(self, before: Preparing) -> None:
        super()._become_leader(before)
        self.coordinator.begin()

    def take(self) -> Effects | None:
        state = self.state
        self.voting.learn()
        self.voting.note_chosen()
        self._settle()
        self.voting.recover()
        if isinstance(state.role, Leader):
            self.coordinator.turn(state.role)
        self.proposer.flush()
        self.voting.flush()
        if self.snapshots:
            self._drop_covered()
        return super().take()

    def _settle(self) -> None:
        if self.voting.chosen:
            self.fast_proposals.first_hand.difference_update(self.voting.chosen)
            self.proposer.settle()
