"""What the parts of a ZAB node share: identity, persistent state, clocks, and the effects being gathered.

Persistent (durable before it is answered): accepted epoch, current epoch, history. All else is rebuilt after a restart; the commit
index starts at the snapshot. An entry's term is the epoch of its zxid, its index the counter, which here never starts anew.
"""

from collections.abc import Sequence
from random import Random

from quorate.protocols.core import (
    COUNTER_BITS,
    Configuration,
    Effects,
    Entry,
    Kind,
    Message,
    NodeId,
    Note,
    Reason,
    Refused,
    Send,
    Snapshot,
    Token,
)
from quorate.protocols.zab.messages import Epochs, FollowerInfo
from quorate.protocols.zab.options import ZabOptions
from quorate.protocols.zab.roles import BROADCAST, Ballot, Follower, Leader, Looking, Role
from quorate.protocols.zab.rules import Rules


class State:
    """One node's state. Parts read it freely; roles change in the engine only."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: ZabOptions,
        rules: Rules,
        rng: Random,
        incarnation: int,
        promise: Epochs | None,
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
        # The margin below a snapshot is not kept across a restart: what it had replaced need not match it.
        self.log = rules.log_type(base, base_term, [entry for entry in entries if entry.index > base])
        self.accepted = promise.accepted if promise else 0
        self.current = promise.current if promise else 0
        self.accepted_from: NodeId = ""
        """Whom the accepted epoch was acknowledged to; not remembered across a restart."""
        self.unsaved = False
        """An epoch changed since the last batch."""
        self.promise_serial = 0
        """The batch that holds the epochs as they are."""
        self.synced_serial = 0
        self.commit = base
        self.configurations = [snapshot.configuration if snapshot else members]
        """The base, then every one in the log above the commit index, oldest first."""
        self.adopt_configurations(self.log.entries)
        self.role: Role = Looking(Ballot())
        self.election_round = 0
        self.links_opened = 0
        self.last_links: dict[NodeId, int] = {}
        """The highest link that each peer has opened to this incarnation: a frame that opens an older one is a late copy."""
        self.callers: dict[NodeId, tuple[int, FollowerInfo]] = {}
        """Who follows us before we lead: (timer tick, how it opened its link)."""
        self.now = 0
        """Ticks, all that elapsed: leases count these."""
        self.timer = 0
        """Ticks, one per turn at most: timeouts count these, so a stall of this process is nobody's silence."""
        self.out = Effects(1)

    def __repr__(self) -> str:
        role = type(self.role).__name__
        phase = "" if isinstance(self.role, Looking) else f" {self.role.phase}"
        epochs = f"accepted={self.accepted} current={self.current}"
        return f"<{role} {self.node}{phase} {epochs} commit={self.commit}/{self.log.last} durable={self.log.durable}>"

    @property
    def term(self) -> int:
        """The accepted epoch: what a leader leads, and what never falls."""
        return self.accepted

    @property
    def leader(self) -> NodeId | None:
        """Known once it serves us."""
        match self.role:
            case Leader(phase=phase) if phase == BROADCAST:
                return self.node
            case Follower(leader=leader, phase=phase) if phase == BROADCAST:
                return leader
        return None

    @property
    def serving(self) -> Leader | None:
        """Our role if we lead an established epoch."""
        role = self.role
        return role if isinstance(role, Leader) and role.phase == BROADCAST else None

    @property
    def configuration(self) -> Configuration:
        return self.rules.governing(self.configurations, self.commit)

    @property
    def promise_durable(self) -> bool:
        """Whether the epochs, as they are now, would survive a crash."""
        return not self.unsaved and self.promise_serial <= self.synced_serial

    @property
    def zxid(self) -> tuple[int, int]:
        """The end of our history: (epoch, counter)."""
        return self.log.last_term, self.log.last

    def new_link(self) -> int:
        """A number that this node never gave to a link before, in this life or an earlier one."""
        self.links_opened += 1
        return (self.incarnation << COUNTER_BITS) | self.links_opened

    def set_accepted(self, epoch: int, leader: NodeId) -> None:
        assert epoch >= self.accepted, (self, epoch)
        self.accepted, self.accepted_from = epoch, leader
        self.unsaved = True

    def set_current(self, epoch: int) -> None:
        assert self.current <= epoch <= self.accepted, (self, epoch)
        self.current = epoch
        self.unsaved = True

    def promise(self) -> Message:
        return Epochs(self.rules.accepted_to_persist(self.accepted, self.current), self.rules.current_to_persist(self.current))

    def adopt_configurations(self, entries: Sequence[Entry]) -> None:
        """Configurations among entries just appended: in force from now on."""
        for entry in entries:
            if entry.kind == Kind.CONFIGURATION:
                self.configurations.append(Configuration.decode(entry.data, entry.index))

    def truncate(self, index: int) -> list[Entry]:
        """Drop the log above `index`, here and in the batch being gathered; gives what was dropped."""
        assert index >= self.commit, (self, index)
        if index < self.log.written:
            before = self.out.truncate
            self.out.truncate = index if before is None else min(before, index)
        dropped = self.log.truncate(index)
        while self.configurations[-1].index > index and len(self.configurations) > 1:
            self.configurations.pop()
        return dropped

    def send(self, to: NodeId, message: Message) -> None:
        self.out.sends.append(Send(to, message))

    def send_after_sync(self, to: NodeId, message: Message) -> None:
        self.out.sends_after_sync.append(Send(to, message))

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None:
        self.out.refused.append(Refused(token, reason, leader, detail))

    def note(self, kind: str, **fields: str | int | bool | None) -> None:
        self.out.notes.append(Note(kind, {"epoch": self.accepted, **fields}))
