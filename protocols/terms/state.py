"""What the parts of a node share: identity, persistent state, clocks, and the effects being gathered.

Persistent (durable before it is answered): term, vote, log. All else is rebuilt after a restart; the commit index
starts at the snapshot. Figure 3.1 of Ongaro's thesis.
"""

from collections.abc import Sequence
from random import Random
from typing import Generic, TypeVar

from quorate.protocols.core import (
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
from quorate.protocols.terms.ballots import HardState
from quorate.protocols.terms.options import TermOptions
from quorate.protocols.terms.roles import Candidate, Following, Leader, Peer, PreCandidate
from quorate.protocols.terms.rules import TermRules

Figures = TypeVar("Figures", bound=TermOptions)
RuleSet = TypeVar("RuleSet", bound=TermRules)
Follows = TypeVar("Follows", bound=Following)


class TermState(Generic[Figures, RuleSet, Follows, Peer]):
    """One node's state, with the engine's own options, rules, follower and knowledge of a peer. Parts read it freely; roles
    change in the succession only."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: Figures,
        rules: RuleSet,
        follower: Follows,
        rng: Random,
        incarnation: int,
        promise: HardState | None,
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
        self.term = promise.term if promise else 0
        self.vote: NodeId = promise.vote if promise else ""
        assert self.term >= self.log.last_term, (self.term, self.log.last_term)
        self.unsaved = False
        """Term or vote changed since the last batch."""
        self.promise_serial = 0
        """The batch that holds the current term and vote."""
        self.synced_serial = 0
        self.commit = base
        self.configurations = [snapshot.configuration if snapshot else members]
        """The base, then every one in the log above the commit index, oldest first."""
        self.adopt_configurations(self.log.entries)
        self.role: Follows | PreCandidate | Candidate | Leader[Peer] = follower
        self.now = 0
        """Ticks, all that elapsed: leases count these."""
        self.timer = 0
        """Ticks, one per turn at most: election timers count these, so a stall of this process is no silence of the leader."""
        self.out = Effects(1)

    def __repr__(self) -> str:
        role = type(self.role).__name__
        return f"<{role} {self.node} term={self.term} commit={self.commit}/{self.log.last} durable={self.log.durable}>"

    @property
    def leader(self) -> NodeId | None:
        role = self.role
        if isinstance(role, Leader):
            return self.node
        return None if isinstance(role, PreCandidate | Candidate) else role.leader

    @property
    def serving(self) -> Leader[Peer] | None:
        return self.role if isinstance(self.role, Leader) else None

    @property
    def following(self) -> Follows | None:
        role = self.role
        return None if isinstance(role, Leader | PreCandidate | Candidate) else role

    @property
    def status(self) -> Status:
        """The node at a glance, for people and metrics."""
        log, role = self.log, self.role
        progress: dict[NodeId, Progress] = {}
        match role:
            case Leader():
                name = "leader"
                limit = self.timer - self.options.election_ticks
                progress = {peer: Progress(known.match, known.state, known.heard > limit) for peer, known in role.peers.items()}
            case Candidate():
                name = "candidate"
            case PreCandidate():
                name = "precandidate"
            case _:
                name = "follower" if self.node in self.configuration.voters else "learner"
        return Status(name, self.term, self.leader, self.commit, log.first, log.last, log.durable, self.configuration, progress)

    @property
    def configuration(self) -> Configuration:
        return self.rules.governing(self.configurations, self.commit)

    @property
    def promise_durable(self) -> bool:
        """Whether term and vote, as they are now, would survive a crash."""
        return not self.unsaved and self.promise_serial <= self.synced_serial

    def set_term(self, term: int, vote: NodeId) -> None:
        assert term > self.term or (term == self.term and self.vote in ("", vote)), (self, term, vote)
        self.term, self.vote = term, vote
        self.unsaved = True

    def promise(self) -> Message:
        return HardState(self.rules.term_to_persist(self.term), self.rules.vote_to_persist(self.vote))

    def adopt_configurations(self, entries: Sequence[Entry]) -> None:
        """Configurations among entries just appended: in force from now on."""
        for entry in entries:
            if entry.kind == Kind.CONFIGURATION:
                self.configurations.append(Configuration.decode(entry.data, entry.index))

    def drop_configurations(self, above: int) -> None:
        """Entries above were truncated: what was in force before them is again."""
        while self.configurations[-1].index > above and len(self.configurations) > 1:
            self.configurations.pop()

    def truncate(self, index: int) -> list[Entry]:
        """Drop the log above `index`, here and in the batch being gathered; gives what was dropped."""
        assert index >= self.commit, (self, index)
        if index < self.log.written:
            before = self.out.truncate
            self.out.truncate = index if before is None else min(before, index)
        dropped = self.log.truncate(index)
        self.drop_configurations(index)
        return dropped

    def send(self, to: NodeId, message: Message) -> None:
        self.out.sends.append(Send(to, message))

    def send_after_sync(self, to: NodeId, message: Message) -> None:
        self.out.sends_after_sync.append(Send(to, message))

    def refuse(self, token: Token, reason: Reason, leader: NodeId | None = None, detail: str = "") -> None:
        self.out.refused.append(Refused(token, reason, leader, detail))

    def note(self, kind: str, **fields: str | int | bool | None) -> None:
        self.out.notes.append(Note(kind, {"term": self.term, **fields}))
