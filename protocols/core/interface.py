"""The one interface: events in, effects out. Every engine is a Core; the driver and the simulator drive any of them.

The rules that make it safe are in CONTRIBUTING.md ("The one interface"); each has an ablation test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import Protocol, runtime_checkable

from quorate.protocols.core.messages import Message
from quorate.protocols.core.values import Change, Configuration, Entry, NodeId, Snapshot, Token


@dataclass(slots=True)
class Send:
    """One message to one peer; best effort."""

    to: NodeId
    message: Message


@dataclass(slots=True)
class ReadReady:
    """The read `token` may be answered from any state that has applied `index` or more."""

    token: Token
    index: int


class Reason(Enum):
    """Why a core refused. All are definite: nothing was or will be written."""

    NOT_LEADER = "not leader"
    SUPERSEDED = "superseded"
    TOO_LARGE = "too large"
    OVERLOADED = "overloaded"
    CHANGE_IN_FLIGHT = "a membership change is in flight"
    NOT_CAUGHT_UP = "the learner has not caught up"
    BAD_CHANGE = "this change makes no sense here"
    TRANSFER_FAILED = "the leadership transfer did not happen in time"


@dataclass(slots=True)
class Refused:
    """The request `token` was not carried out. `leader` is where to ask instead, where known."""

    token: Token
    reason: Reason
    leader: NodeId | None = None
    detail: str = ""


@dataclass(slots=True)
class Transfer:
    """Stream this snapshot to that node, then say so with `transferred`."""

    to: NodeId
    snapshot: Snapshot


@dataclass(slots=True)
class Note:
    """Something worth a log line, a metric or a scenario's output. Cores never log by themselves."""

    kind: str
    fields: Mapping[str, str | int | bool | None]


@dataclass(slots=True)
class Effects:
    """All that a core wants done since the last `take`. One atomic log batch: promise, truncation, snapshot, entries.

    Order of work: `sends` may leave at once. The batch (`snapshot`, `truncate`, `promise`, `entries`) goes to the log as one record.
    `sends_after_sync` leave when this serial and all before it are durable, even when the batch is empty. `committed`
    and `reads` wait for no local sync. `snapshot.index` beyond what is applied means: restore the state machine from it
    before applying `committed`.
    """

    serial: int
    sends: list[Send] = field(default_factory=list)
    promise: Message | None = None
    truncate: int | None = None
    """First drop all entries above this index; writing an entry never truncates by itself."""
    entries: list[Entry] = field(default_factory=list)
    packed: bytes = b""
    """`entries` as one blob (protocols/log.pack): packed once, the same object in the appends and in the log."""
    snapshot: Snapshot | None = None
    """From here on the log begins after this snapshot: a local one after `compact`, a peer's after `received`."""
    rollback: bool = False
    """Log shipping only: what was committed here was given up. The state machine becomes that of `snapshot`, however much it has
    applied (empty for NOTHING), and `committed` begins right after it."""
    sends_after_sync: list[Send] = field(default_factory=list)
    committed: list[Entry] = field(default_factory=list)
    reads: list[ReadReady] = field(default_factory=list)
    done: list[Token] = field(default_factory=list)
    """Transfers and reconfigurations that took effect."""
    refused: list[Refused] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether the log has something to write for this batch."""
        return bool(self.entries) or self.promise is not None or self.truncate is not None or self.snapshot is not None


@dataclass(frozen=True, slots=True)
class Progress:
    """What a leader knows of one peer."""

    match: int
    state: str
    """The engine's word: probe, replicate, snapshot ..."""
    recently_active: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """A core at a glance, for people and metrics."""

    role: str
    term: int
    leader: NodeId | None
    commit: int
    first: int
    last: int
    durable: int
    configuration: Configuration
    progress: Mapping[NodeId, Progress] = field(default_factory=dict)


class Core(Protocol):
    """A consensus engine. No I/O, no clock, no randomness but the Random it was given; never awaits, never logs."""

    @property
    def leader(self) -> NodeId | None:
        """Whom this node follows, itself if it leads, None while unknown."""

    @property
    def configuration(self) -> Configuration:
        """The configuration in force here, committed or not, as the engine's rules say."""

    @property
    def status(self) -> Status: ...

    def tick(self, elapsed: int = 1) -> None:
        """Logical time passed: all ticks that elapsed since the last call. Election timers count one of them at most."""

    def receive(self, sender: NodeId, message: Message) -> None:
        """A peer's message. Duplicates, reordering, delay and loss are normal input."""

    def unreachable(self, peer: NodeId) -> None:
        """A hint: the connection to `peer` broke."""

    def propose(self, data: bytes, token: Token) -> None:
        """Replicate a command; `token` is its origin. Ends in a committed entry of that origin, in `refused`, or in nothing (uncertain)."""

    def read(self, token: Token, *, lease: bool = False) -> None:
        """Ask for a read barrier. `lease`: the leader may answer by its lease, refused where there is none to rely on."""

    def reconfigure(self, change: Change, token: Token) -> None: ...

    def transfer(self, to: NodeId, token: Token) -> None: ...

    def synced(self, serial: int) -> None:
        """All batches up to this one are durable."""

    def compact(self, snapshot: Snapshot) -> None:
        """This snapshot of our own state is durable here: the log before it may go, less a margin for slow followers."""

    def received(self, sender: NodeId, snapshot: Snapshot) -> None:
        """A peer's snapshot is verified and durable here."""

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None:
        """A transfer asked for in `transfers` ended."""

    def take(self) -> Effects | None:
        """Everything to be done since the last call; None if nothing."""


@runtime_checkable
class Idling(Core, Protocol):
    """A core that may be left alone while nothing is due; one that says nothing of this is ticked with every tick."""

    @property
    def due_ticks(self) -> int:
        """After a `take`: which of the next ticks, counted from 1, is the first that may do more than let time pass, if nothing else
        is fed meanwhile."""

    def tick(self, elapsed: int = 1, turns: int = 1) -> None:
        """Told of several ticks at once, election timers count one for each of the `turns` in which the runtime looked at its clock."""


class CoreFactory(Protocol):
    """Makes an engine's core, fresh or from what the log gave back."""

    def __call__(
        self,
        node: NodeId,
        members: Configuration,
        options: object,
        rng: Random,
        incarnation: int,
        promise: Message | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> Core: ...
