"""What the parts of a node share: identity, persistent state, clocks, and the effects being gathered.

Persistent: the tenure (messages.Tenure), the log, and the snapshot that stands for its dropped part. The commit index is not: a replica
learns it from its primary, a primary counts anew.
"""

from collections.abc import Sequence

from quorate.protocols.core import (
    NOTHING,
    Configuration,
    Effects,
    Entry,
    Kind,
    Message,
    NodeId,
    Note,
    Progress,
    Reason,
    Refused,
    Send,
    Snapshot,
    Status,
    Token,
)
from quorate.protocols.log import Blobs
from quorate.protocols.logship.messages import Tenure
from quorate.protocols.logship.options import LogshipOptions
from quorate.protocols.logship.roles import Heir, Primary, Replica, Retired, Role
from quorate.protocols.logship.rules import Rules


class State:
    """One node's state. Parts read it freely; roles change in the succession only."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: LogshipOptions,
        rules: Rules,
        tenure: Tenure | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        self.node = node
        self.options = options
        self.rules = rules
        self.snapshot = snapshot
        base, base_term = (snapshot.index, snapshot.term) if snapshot else (0, 0)
        self.log = rules.log_type(base, base_term, [entry for entry in entries if entry.index > base])
        self.blobs = Blobs()
        """What a replica received this turn, as it came: the log need not pack it again."""
        self.generation = tenure.generation if tenure else 0
        self.primary: NodeId = tenure.primary if tenure else ""
        self.heir: NodeId = tenure.heir if tenure else ""
        assert self.generation >= self.log.last_term, (self.generation, self.log.last_term)
        self.unsaved = False
        """The tenure changed since the last batch."""
        self.promise_serial = 0
        """The batch that holds it as it is now."""
        self.synced_serial = 0
        self.commit = base
        self.handed = base
        """The commit index up to which entries were given out."""
        self.bootstrap = members
        """Whom this node knows before its log says anything."""
        self.configurations: list[Configuration] = []
        self.read_configurations()
        self.role: Role = Replica()
        self.now = 0
        """Ticks, all that elapsed."""
        self.timer = 0
        """Ticks, one per turn at most: a stall of this process is no silence of the others."""
        self.out = Effects(1)

    def __repr__(self) -> str:
        role = type(self.role).__name__
        return f"<{role} {self.node} generation={self.generation} commit={self.commit}/{self.log.last} durable={self.log.durable}>"

    @property
    def term(self) -> int:
        return self.generation

    @property
    def leader(self) -> NodeId | None:
        match self.role:
            case Primary():
                return self.node
            case Replica(primary=primary):
                return primary
        return None

    @property
    def serving(self) -> Primary | None:
        return self.role if isinstance(self.role, Primary) else None

    @property
    def number(self) -> int:
        """This node's number, as a voter of its own configuration with the disk that it has; 0 for anybody else."""
        if not self.configuration.has_voter(self.node, self.options.storage):
            return 0
        member = self.configuration.get(self.node)
        return member.number if member is not None else 0

    @property
    def status(self) -> Status:
        log, role = self.log, self.role
        progress: dict[NodeId, Progress] = {}
        match role:
            case Primary():
                name = "leader"
                limit = self.timer - self.options.silence_ticks
                progress = {peer: Progress(known.match, known.state, known.heard > limit) for peer, known in role.peers.items()}
            case Heir():
                name = "candidate"
            case Retired():
                name = "retired"
            case Replica():
                name = "follower" if self.node in self.configuration.voters else "learner"
        return Status(name, self.generation, self.leader, self.commit, log.first, log.last, log.durable, self.configuration, progress)

    @property
    def configuration(self) -> Configuration:
        """The latest in the log is in force from its append on."""
        return self.configurations[-1]

    @property
    def promise_durable(self) -> bool:
        """Whether the tenure, as it is now, would survive a crash."""
        return not self.unsaved and self.promise_serial <= self.synced_serial

    def set_tenure(self, generation: int, primary: NodeId, heir: NodeId = "") -> None:
        assert generation >= self.generation, (self, generation)
        self.generation, self.primary, self.heir = generation, primary, heir
        self.unsaved = True

    def tenure(self) -> Message:
        generation = self.rules.generation_to_persist(self.generation)
        return Tenure(generation, self.primary, self.rules.heir_to_persist(self.heir))

    # The log, and what it says of the members

    def adopt_configurations(self, entries: Sequence[Entry]) -> None:
        """Configurations among entries just appended."""
        for entry in entries:
            if entry.kind == Kind.CONFIGURATION:
                self.configurations.append(Configuration.decode(entry.data, entry.index))

    def read_configurations(self) -> None:
        """What the snapshot and the log say, from the beginning: even what was committed here may have been truncated."""
        base = self.snapshot.index if self.snapshot else 0
        self.configurations = [self.snapshot.configuration if self.snapshot else self.bootstrap]
        self.adopt_configurations([entry for entry in self.log.entries if entry.index > base])

    def truncate(self, index: int) -> None:
        """The primary's log differs above `index`: ours goes, even where it was committed here. What was acknowledged there is lost."""
        log, commit = self.log, self.commit
        snapshot_index = self.snapshot.index if self.snapshot else 0
        if index < snapshot_index:
            self.start_over()
            return
        errant = commit > index
        self.note("errant_truncated" if errant else "truncated", index=index, last=log.last, committed=commit)
        self.blobs.clear()
        if index < log.written:
            self.out.truncate = index if self.out.truncate is None else min(self.out.truncate, index)
        log.truncate(index)
        self.read_configurations()
        if errant:
            self._roll_back(self.snapshot)

    def start_over(self) -> None:
        """What the snapshot stands for is not the primary's history either: nothing of ours is of use."""
        self.note("started_over", base=self.log.base, last=self.log.last, committed=self.commit)
        self._reset(0, 0, None)
        self.out.truncate = 0
        self._roll_back(None)

    def install(self, snapshot: Snapshot) -> None:
        """The primary's snapshot takes the place of the log, and of the state, even if more than that was committed here."""
        errant = self.commit >= snapshot.index
        self.note("snapshot_installed", index=snapshot.index, committed=self.commit)
        if self.log.written > snapshot.index:
            self.out.truncate = snapshot.index if self.out.truncate is None else min(self.out.truncate, snapshot.index)
        self._reset(snapshot.index, snapshot.term, snapshot)
        if errant:
            self._roll_back(snapshot)
        else:
            self.out.snapshot = snapshot
            self.commit = self.handed = snapshot.index

    def _reset(self, index: int, term: int, snapshot: Snapshot | None) -> None:
        self.blobs.clear()
        self.log.reset(index, term)
        self.snapshot = snapshot
        self.read_configurations()

    def _roll_back(self, to: Snapshot | None) -> None:
        """The state machine has applied what is gone: it begins anew after `to`, and is given what follows once more."""
        self.out.rollback = True
        self.out.snapshot = NOTHING if to is None else to
        self.commit = self.handed = 0 if to is None else to.index

    # Effects

    def send(self, to: NodeId, message: Message) -> None:
        self.out.sends.append(Send(to, message))

    def send_after_sync(self, to: NodeId, message: Message) -> None:
        self.out.sends_after_sync.append(Send(to, message))

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None:
        self.out.refused.append(Refused(token, reason, leader, detail))

    def note(self, kind: str, **fields: str | int | bool | None) -> None:
        self.out.notes.append(Note(kind, {"generation": self.generation, **fields}))
