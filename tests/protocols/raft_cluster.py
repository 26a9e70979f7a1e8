"""A tiny cluster for step-by-step tests of Raft: messages and syncs move when the test says so."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from quorate.protocols.core import (
    Configuration,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    Note,
    ReadReady,
    Refused,
    Snapshot,
    Transfer,
)
from quorate.protocols.log import unpack
from quorate.protocols.raft import HardState, Raft, RaftOptions
from quorate.protocols.raft.messages import Append
from quorate.protocols.raft.roles import Follower
from quorate.protocols.terms.roles import Leader

TURNS_MAX = 10_000
"""A cluster that has not come to rest after so many turns never will."""
NEVER = 1_000_000


@dataclass
class Disk:
    """What a node would find after a crash: the fold of its synced batches."""

    promise: Message | None = None
    snapshot: Snapshot | None = None
    entries: dict[int, Entry] = field(default_factory=dict)
    queue: list[Effects] = field(default_factory=list)
    """Batches written, not synced, with those that only hold messages back."""

    def sync(self, effects: Effects) -> None:
        if effects.snapshot is not None:
            self.snapshot = effects.snapshot
            self.entries = {index: entry for index, entry in self.entries.items() if index > effects.snapshot.index}
        if effects.truncate is not None:
            limit = effects.truncate
            self.entries = {index: entry for index, entry in self.entries.items() if index <= limit}
        if effects.promise is not None:
            self.promise = effects.promise
        assert effects.entries == unpack(effects.packed)
        self.entries.update((entry.index, entry) for entry in effects.entries)


@dataclass
class Seen:
    """What one node's effects said, since its start."""

    committed: list[Entry] = field(default_factory=list)
    reads: list[ReadReady] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [note.kind for note in self.notes]


def configuration(*names: str) -> Configuration:
    return Configuration(tuple(Member(name, number) for number, name in enumerate(names, 1)))


class Cluster:
    """Cores, their disks and the messages between them.

    `blocked` pairs (sender, receiver) lose their messages; `held` nodes do not sync by themselves.
    """

    kind: type[Raft] = Raft
    """Tests of the safeguards put a core here that lacks one."""

    def __init__(self, *names: str, options: RaftOptions | None = None, each: dict[str, RaftOptions] | None = None) -> None:
        self.options = options or RaftOptions()
        self.each = each or {}
        self.bootstrap = configuration(*names)
        self.cores: dict[NodeId, Raft] = {}
        self.disks: dict[NodeId, Disk] = {}
        self.seen: dict[NodeId, Seen] = {}
        self.incarnations: dict[NodeId, int] = {}
        self.wire: list[tuple[NodeId, NodeId, Message]] = []
        self.blocked: set[tuple[NodeId, NodeId]] = set()
        self.held: set[NodeId] = set()
        self.sent: list[tuple[NodeId, NodeId, Message]] = []
        """All that ever left, dropped or not."""
        self.tokens = 0
        for name in names:
            self.start(name)

    def start(self, name: NodeId, *, members: Configuration | None = None) -> Raft:
        disk = self.disks.setdefault(name, Disk())
        self.incarnations[name] = self.incarnations.get(name, 0) + 1
        rng = Random(f"{name} {self.incarnations[name]}")
        entries = [disk.entries[index] for index in sorted(disk.entries)]
        options = self.each.get(name, self.options)
        promise = disk.promise
        assert promise is None or isinstance(promise, HardState)
        bootstrap = self.bootstrap if members is None else members
        self.cores[name] = self.kind(name, bootstrap, options, rng, self.incarnations[name], promise, disk.snapshot, entries)
        self.seen[name] = Seen()
        return self.cores[name]

    def crash(self, name: NodeId) -> None:
        """The process dies: what was not synced is lost, its messages on the wire are not."""
        del self.cores[name]
        self.disks[name].queue.clear()

    def restart(self, name: NodeId) -> Raft:
        return self.start(name)

    # One step at a time

    def take(self, name: NodeId) -> bool:
        """Carry out one batch of effects. Whether there was one."""
        effects = self.cores[name].take()
        if effects is None:
            return False
        seen = self.seen[name]
        for send in effects.sends:
            self.post(name, send.to, send.message)
        for field_name in ("committed", "reads", "refused", "done", "transfers", "notes"):
            getattr(seen, field_name).extend(getattr(effects, field_name))
        self.disks[name].queue.append(effects)
        if name not in self.held:
            self.sync(name)
        return True

    def sync(self, name: NodeId) -> None:
        """All batches written so far become durable."""
        disk = self.disks[name]
        queue, disk.queue = disk.queue, []
        for effects in queue:
            disk.sync(effects)
            for send in effects.sends_after_sync:
                self.post(name, send.to, send.message)
        if queue:
            self.cores[name].synced(queue[-1].serial)

    def post(self, sender: NodeId, to: NodeId, message: Message) -> None:
        self.sent.append((sender, to, message))
        if (sender, to) not in self.blocked:
            self.wire.append((sender, to, message))

    def deliver(self, which: Callable[[NodeId, NodeId, Message], bool] = lambda sender, to, message: True) -> int:
        """Hand over the messages on the wire that `which` picks, in order."""
        picked = [item for item in self.wire if which(*item)]
        self.wire = [item for item in self.wire if not which(*item)]
        for sender, to, message in picked:
            if to in self.cores and (sender, to) not in self.blocked:
                self.cores[to].receive(sender, message)
        return len(picked)

    def settle(self) -> None:
        """Take and deliver until nothing moves."""
        for _ in range(TURNS_MAX):
            moved = sum(self.take(name) for name in list(self.cores)) > 0
            if not self.deliver() and not moved:
                return
        raise AssertionError(f"no rest: {self.cores} {self.wire[:3]}")

    def tick(self, count: int = 1, *, only: tuple[NodeId, ...] = ()) -> None:
        """Ticks on all nodes (or `only` some), settling after each."""
        for _ in range(count):
            for name in only or tuple(self.cores):
                self.cores[name].tick()
            self.settle()

    # Shorthand

    def elect(self, name: NodeId) -> Raft:
        """Make `name` the leader: the others forget the one before in time, and its election timer ends first."""
        for other, core in self.cores.items():
            if other != name and not isinstance(core.state.role, Leader):
                core.elections.since, core.elections.timeout = core.state.timer, NEVER
                for _ in range(self.options.election_ticks):
                    core.tick()
        for _ in range(3 * self.options.election_ticks):
            core = self.cores[name]
            if isinstance(core.state.role, Leader):
                self.settle()
                return core
            core.tick()
            self.settle()
        raise AssertionError(f"{name} was not elected: {self.cores}")

    def stop_at(self, reached: Callable[[], bool], *, timer_of: NodeId) -> None:
        """Let all clocks run, with one election timer only, and stop in the middle of a turn once `reached`."""
        for name, core in self.cores.items():
            if name != timer_of:
                core.elections.timeout = NEVER
        for _ in range(TURNS_MAX):
            if not self.wire:
                for core in self.cores.values():
                    core.tick()
            for name in list(self.cores):
                self.take(name)
                if reached():
                    return
            self.deliver()
            if reached():
                return
        raise AssertionError(f"not reached: {self.cores}")

    def leader(self) -> NodeId:
        leaders = [name for name, core in self.cores.items() if isinstance(core.state.role, Leader)]
        assert 1 == len(leaders), leaders
        return leaders[0]

    def run_until_leader(self, limit: int = 1000) -> NodeId:
        for _ in range(limit):
            leaders = [name for name, core in self.cores.items() if isinstance(core.state.role, Leader)]
            followers = [core for core in self.cores.values() if isinstance(core.state.role, Follower) and core.leader in leaders]
            if leaders and followers:
                return max(leaders, key=lambda name: self.cores[name].state.term)
            self.tick()
        raise AssertionError(f"nobody leads: {self.cores}")

    def token(self) -> int:
        self.tokens += 1
        return self.tokens

    def propose(self, name: NodeId, data: bytes) -> int:
        token = self.token()
        self.cores[name].propose(data, token)
        return token

    def put(self, name: NodeId, data: bytes) -> int:
        token = self.propose(name, data)
        self.settle()
        return token

    def isolate(self, name: NodeId) -> None:
        for other in {*self.disks} - {name}:
            self.blocked |= {(name, other), (other, name)}

    def heal(self) -> None:
        self.blocked.clear()

    def commands(self, name: NodeId) -> list[bytes]:
        return [entry.data for entry in self.seen[name].committed if entry.kind == Kind.COMMAND]

    def log(self, name: NodeId) -> list[tuple[int, int]]:
        return [(entry.index, entry.term) for entry in self.cores[name].state.log.entries]


def appends(cluster: Cluster, sender: NodeId, to: NodeId) -> list[Append]:
    return [message for source, target, message in cluster.sent if (source, target) == (sender, to) and isinstance(message, Append)]
