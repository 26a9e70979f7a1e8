"""What the parts of a Multi-Paxos node share: identity, persistent state, clocks, and the effects being gathered.

Persistent (durable before it is answered): the promised ballot, and the vote of the highest ballot in each slot. All else is rebuilt
after a restart; the commit index (all slots up to it are chosen) starts at the snapshot.
"""

from collections import deque
from collections.abc import Iterable
from random import Random

from quorate.protocols.core import Configuration, Effects, Entry, Message, NodeId, Note, Reason, Refused, Send, Snapshot, Token, original
from quorate.protocols.multipaxos.messages import Promised
from quorate.protocols.multipaxos.options import MultiPaxosOptions
from quorate.protocols.multipaxos.roles import Follower, Leader, Role
from quorate.protocols.multipaxos.rules import Rules
from quorate.protocols.multipaxos.slots import Slots


class State:
    """One node's state. Parts read it freely; roles change in the engine only."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: MultiPaxosOptions,
        rules: Rules,
        rng: Random,
        incarnation: int,
        promise: Promised | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.node = node
        self.options = options
        self.rules = rules
        self.rng = rng
        self.incarnation = incarnation
        # A joiner may be one that lost its disk, and with it what it promised.
        self.restarted = promise is not None or snapshot is not None or bool(entries) or not members.members
        self.snapshot = snapshot
        base, base_term = (snapshot.index, snapshot.term) if snapshot else (0, 0)
        # The margin below a snapshot is not kept across a restart: what it had replaced need not be what was chosen.
        self.log = Slots(base, base_term, [entry for entry in entries if entry.index > base])
        self.ballot = promise.ballot if promise else 0
        """The highest ballot promised; a leader's own."""
        member = members.get(node)
        self.number = promise.number if promise is not None and promise.number else 0 if member is None else member.number
        """Ours as a member, with this disk; 0 while unknown."""
        self.seen = self.ballot
        """The highest ballot heard of."""
        self.unsaved = False
        """The ballot changed since the last batch."""
        self.promise_serial = 0
        """The batch that holds the current ballot."""
        self.synced_serial = 0
        self.commit = base
        self.known_due = False
        """Another configuration governs: that all before it is chosen must be on the disk as well."""
        self.known_durable = base
        """All up to here is chosen, as this node would still know after a crash."""
        self.known_pending: deque[tuple[int, int]] = deque()
        """Batches in flight that say so: (serial, up to where)."""
        self.configurations = [snapshot.configuration if snapshot else members]
        """The one that governs the next slot, then every later one that is chosen, and on a leader the one that it has proposed."""
        if promise is not None and promise.chosen > base:
            self.choose(min(promise.chosen, self.log.filled))
            self.known_durable, self.known_due = self.commit, False
        self.role: Role = Follower(upto=self.commit)
        self.now = 0
        """Ticks, all that elapsed: leases count these."""
        self.timer = 0
        """Ticks, one per turn at most: timers count these, so a stall of this process is no silence of the leader."""
        self.out = Effects(1)

    def __repr__(self) -> str:
        role = type(self.role).__name__
        return f"<{role} {self.node} ballot={self.ballot} commit={self.commit}/{self.log.last} durable={self.log.durable}>"

    @property
    def leader(self) -> NodeId | None:
        role = self.role
        if isinstance(role, Leader):
            return self.node
        return role.leader if isinstance(role, Follower) else None

    @property
    def serving(self) -> Leader | None:
        return self.role if isinstance(self.role, Leader) else None

    @property
    def configuration(self) -> Configuration:
        """The latest one known here, though it may not govern yet."""
        return self.configurations[-1]

    def governing(self, slot: int) -> Configuration:
        """Whose acceptors decide that slot; only to be asked up to alpha slots above the commit index."""
        known = self.configurations
        return known[0] if len(known) == 1 else self.rules.governing(known, slot, self.options.alpha)

    @property
    def present(self) -> Configuration:
        """The configuration that governs the next slot to be chosen."""
        return self.governing(self.commit + 1)

    def decides(self, configuration: Configuration) -> bool:
        """Whether this node, with the disk that it has, is an acceptor of that configuration; its name alone says little of old ones."""
        member = configuration.get(self.node)
        return member is not None and member.voter and self.rules.is_oneself(member.number, self.number)

    @property
    def governed(self) -> int:
        """A configuration chosen up to here governs every slot that is not chosen yet."""
        return max(0, self.commit + 1 - self.options.alpha)

    @property
    def promise_durable(self) -> bool:
        """Whether the ballot, as it is now, would survive a crash."""
        return not self.unsaved and self.promise_serial <= self.synced_serial

    def set_ballot(self, ballot: int) -> None:
        assert ballot > self.ballot, (self, ballot)
        self.ballot = ballot
        self.seen = max(self.seen, ballot)
        self.unsaved = True

    def promise(self) -> Message:
        return Promised(self.rules.ballot_to_persist(self.ballot), self.rules.chosen_to_persist(self.commit), self.number)

    def mark_known(self, serial: int) -> None:
        """The batch `serial` says how far all is chosen."""
        self.known_due = False
        self.known_pending.append((serial, self.commit))

    def synced(self, serial: int) -> list[Entry]:
        """All batches up to `serial` are durable; gives the votes that became so."""
        self.synced_serial = max(self.synced_serial, serial)
        while self.known_pending and self.known_pending[0][0] <= serial:
            self.known_durable = self.known_pending.popleft()[1]
        return self.log.synced(serial)

    def choose(self, commit: int) -> None:
        """Every slot up to `commit` is chosen, and stands in our log as it was."""
        log, before = self.log, self.commit
        assert before <= commit <= log.filled, (self, commit)
        governing = self.present
        self.commit = commit
        if log.changes:
            self.adopt_configurations(log.entries[slot] for slot in sorted(log.changes) if before < slot <= commit)
        if self.present is not governing:
            self.known_due = True

    def adopt_configurations(self, entries: Iterable[Entry]) -> None:
        """Configurations that are chosen, or that a leader proposes."""
        for entry in entries:
            if entry.index > self.configurations[-1].index:
                self.configurations.append(Configuration.decode(original(entry).data, entry.index))

    def drop_proposed_configurations(self) -> None:
        """This node leads no more: what it proposed may never be chosen."""
        while self.configurations[-1].index > self.commit and len(self.configurations) > 1:
            self.configurations.pop()

    def send(self, to: NodeId, message: Message) -> None:
        self.out.sends.append(Send(to, message))

    def send_after_sync(self, to: NodeId, message: Message) -> None:
        self.out.sends_after_sync.append(Send(to, message))

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None:
        self.out.refused.append(Refused(token, reason, leader, detail))

    def note(self, kind: str, **fields: str | int | bool | None) -> None:
        self.out.notes.append(Note(kind, {"ballot": self.ballot, **fields}))
