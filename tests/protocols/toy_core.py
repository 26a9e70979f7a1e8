"""A toy engine for testing the simulator itself: node number 1 leads for ever, and followers copy its log.

It keeps the rules of the one interface with as little as possible: an entry commits when the leader's own disk and a majority
hold it, so whatever committed is in the log that the leader restarts from. No elections, no membership changes, no snapshots.
"""

from collections.abc import Mapping
from random import Random

from quorate.protocols.core import (
    Change,
    Configuration,
    Core,
    Effects,
    Entry,
    Kind,
    Message,
    NodeId,
    ReadReady,
    Reason,
    Refused,
    Send,
    Snapshot,
    Status,
    Token,
    message,
)
from quorate.protocols.log import pack, unpack
from quorate.protocols.simulation import Engine, Settings

RESEND_TICKS = 5


@message(65201)
class ToyPromise(Message):
    term: int


@message(65202)
class ToyAppend(Message):
    """The whole log of the leader: simple, and quadratic."""

    term: int
    commit: int
    round: int
    entries: bytes


@message(65203)
class ToyAck(Message):
    term: int
    match: int
    round: int


class ToyCore:
    def __init__(self, node: NodeId, members: Configuration, term: int, entries: list[Entry]) -> None:
        self._node = node
        self._configuration = members
        self._head = next(member.name for member in members.members if member.number == 1)
        self._term = term
        self._log = list(entries)
        self._durable = len(entries)
        self._pending: list[tuple[int, int]] = []
        self._match: dict[NodeId, int] = {}
        self._rounds: dict[NodeId, int] = {}
        self._round = 0
        self._reads: list[tuple[int, int, Token]] = []
        self._commit = self._handed = 0
        self._ticks = 0
        self._own_from = len(entries) + 1
        self._effects = Effects(0)
        self._dirty = False
        if self.leads:
            self._effects.promise = ToyPromise(term)
            self._append(Kind.NOOP, b"", 0)

    @property
    def leads(self) -> bool:
        return self._node == self._head

    @property
    def leader(self) -> NodeId | None:
        return self._head

    @property
    def configuration(self) -> Configuration:
        return self._configuration

    @property
    def status(self) -> Status:
        role = "leader" if self.leads else "follower"
        return Status(role, self._term, self._head, self._commit, 1, len(self._log), self._durable, self._configuration)

    def tick(self, elapsed: int = 1) -> None:
        self._ticks += elapsed
        if self.leads and self._ticks >= RESEND_TICKS:
            self._ticks = 0
            self._spread()

    def receive(self, sender: NodeId, message: Message) -> None:
        match message:
            case ToyAppend(term=term) if not self.leads and term >= self._term:
                self._on_append(sender, message)
            case ToyAck(term=term) if self.leads and term == self._term:
                self._match[sender] = max(self._match.get(sender, 0), message.match)
                self._rounds[sender] = max(self._rounds.get(sender, 0), message.round)
                self._count()
            case _:
                pass

    def _on_append(self, sender: NodeId, message: ToyAppend) -> None:
        effects, entries = self._effects, unpack(message.entries)
        if message.term > self._term:
            self._term = message.term
            effects.promise = ToyPromise(message.term)
        same = 0
        while same < min(len(entries), len(self._log)) and entries[same].term == self._log[same].term:
            same += 1
        if same < len(entries):
            if same < len(self._log):
                del self._log[same:]
                effects.truncate = same
                effects.entries = [entry for entry in effects.entries if entry.index <= same]
                self._durable = min(self._durable, same)
                self._pending = [(serial, min(last, same)) for serial, last in self._pending]
            self._log += entries[same:]
            effects.entries += entries[same:]
        effects.sends_after_sync.append(Send(sender, ToyAck(self._term, len(entries), message.round)))
        self._commit = max(self._commit, min(message.commit, len(entries)))
        self._dirty = True

    def unreachable(self, peer: NodeId) -> None: ...

    def propose(self, data: bytes, token: Token) -> None:
        self._dirty = True
        if self.leads:
            self._append(Kind.COMMAND, data, token)
        else:
            self._effects.refused.append(Refused(token, Reason.NOT_LEADER, self._head))

    def read(self, token: Token, *, lease: bool = False) -> None:
        self._dirty = True
        if not self.leads or lease:
            self._effects.refused.append(Refused(token, Reason.NOT_LEADER, self._head))
        else:
            self._reads.append((self._round + 1, max(self._commit, self._own_from), token))
            self._spread()

    def reconfigure(self, change: Change, token: Token) -> None:
        self._dirty = True
        self._effects.refused.append(Refused(token, Reason.BAD_CHANGE))

    def transfer(self, to: NodeId, token: Token) -> None:
        self._dirty = True
        self._effects.refused.append(Refused(token, Reason.TRANSFER_FAILED))

    def synced(self, serial: int) -> None:
        while self._pending and self._pending[0][0] <= serial:
            self._durable = max(self._durable, self._pending.pop(0)[1])
        if self.leads:
            self._count()

    def compact(self, snapshot: Snapshot) -> None: ...

    def received(self, sender: NodeId, snapshot: Snapshot) -> None: ...

    def transferred(self, to: NodeId, snapshot: Snapshot, ok: bool) -> None: ...

    def take(self) -> Effects | None:
        effects = self._effects
        effects.committed = self._log[self._handed : self._commit]
        self._handed = self._commit
        if not (self._dirty or effects.committed):
            return None
        if effects.entries:
            self._pending.append((effects.serial, effects.entries[-1].index))
        self._effects = Effects(effects.serial + 1)
        self._dirty = False
        return effects

    def _append(self, kind: Kind, data: bytes, origin: int) -> None:
        entry = Entry(len(self._log) + 1, self._term, origin, kind, data)
        self._log.append(entry)
        self._effects.entries.append(entry)
        self._dirty = True

    def _spread(self) -> None:
        """Only what is durable here leaves, so the promise of the term has been durable before it."""
        self._round += 1
        if self._durable >= self._own_from:
            append = ToyAppend(self._term, self._commit, self._round, pack(self._log[: self._durable]))
            self._effects.sends += [Send(name, append) for name in self._configuration.names if name != self._node]
        self._dirty = True
        self._count()

    def _count(self) -> None:
        others = [name for name in self._configuration.names if name != self._node]
        need = len(self._configuration.voters) // 2
        matches = sorted((self._match.get(name, 0) for name in others), reverse=True)
        commit = min(self._durable, matches[need - 1]) if need else self._durable
        if commit >= self._own_from and commit > self._commit:
            self._commit = commit
            self._dirty = True
        rounds = sorted((self._rounds.get(name, 0) for name in others), reverse=True)
        heard = rounds[need - 1] if need else self._round
        ready = [read for read in self._reads if read[0] <= heard and self._commit >= self._own_from]
        if ready:
            self._reads = [read for read in self._reads if read not in ready]
            self._effects.reads += [ReadReady(token, index) for _, index, token in ready]
            self._dirty = True


def make(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Core:
    term = promise.term if isinstance(promise, ToyPromise) else 0
    number = next(member.number for member in members.members if member.name == node)
    return ToyCore(node, members, incarnation if number == 1 else term, entries)


class ToyView:
    def glance(self, core: Core) -> tuple[int, bool, int, int]:
        assert isinstance(core, ToyCore)
        return core._term, core.leads, core._commit, len(core._log)

    def promised(self, promise: Message) -> tuple[int, NodeId | None]:
        assert isinstance(promise, ToyPromise)
        return promise.term, None

    def granted(self, message: Message) -> tuple[int, NodeId | None] | None:
        return None

    def durable(self, core: Core) -> int:
        assert isinstance(core, ToyCore)
        return core._durable

    def role(self, core: Core) -> str:
        assert isinstance(core, ToyCore)
        return "leader" if core.leads else "follower"

    def matches(self, core: Core) -> Mapping[NodeId, int]:
        assert isinstance(core, ToyCore)
        return core._match


def _options(settings: Settings) -> object:
    return None


TOY = Engine("toy", make, _options, dict, ToyView(), election_ticks=100)
