"""Drives cores as the real driver does, with a network and disks that do at once what they are told to. For the contract of cores."""

from collections.abc import Callable
from random import Random

from quorate.protocols.core import (
    Change,
    Configuration,
    Core,
    CoreFactory,
    Effects,
    Entry,
    Kind,
    Member,
    Message,
    NodeId,
    ReadReady,
    Refused,
    Snapshot,
    Transfer,
    origin,
)
from quorate.protocols.simulation.disk import Fold

# Generous: an engine that needs more ticks, or more rounds of messages, than this to settle does not settle.
TICKS_MAX = 2_000
ROUNDS_MAX = 200


class Seat:
    """One node: a core, what it has durably written, and everything that came out of it."""

    def __init__(self, name: NodeId, number: int) -> None:
        self.name = name
        self.number = number
        self.core: Core | None = None
        self.incarnation = 0
        self.counter = 0
        self.disk = Fold()
        self.held = False
        """The disk syncs nothing for now."""
        self.serial = 0
        self.unsynced: list[Effects] = []
        self.serials: list[int] = []
        self.committed: list[Entry] = []
        """By this incarnation, from what it recovered on."""
        self.reads: list[ReadReady] = []
        self.done: list[int] = []
        self.refused: list[Refused] = []
        self.installed: list[Snapshot] = []

    @property
    def running(self) -> Core:
        assert self.core is not None, self.name
        return self.core

    def token(self) -> int:
        self.counter += 1
        return origin(self.number, self.incarnation, self.counter)


class Bench:
    def __init__(self, factory: CoreFactory, options: object, count: int) -> None:
        self._factory = factory
        self._options = options
        self.members = Configuration(tuple(Member(f"n{number}", number) for number in range(1, count + 1)))
        self.seats = {member.name: Seat(member.name, member.number) for member in self.members.members}
        self.wire: list[tuple[NodeId, NodeId, Message]] = []
        self.transfers: list[tuple[NodeId, Transfer]] = []
        self.repeat = 1
        """How often each message arrives."""
        self.cut: set[NodeId] = set()
        for name in self.seats:
            self.start(name, self.members)

    def start(self, name: NodeId, members: Configuration) -> Seat:
        seat = self.seats[name]
        seat.incarnation += 1
        seat.counter = seat.serial = 0
        seat.unsynced, seat.serials, seat.committed, seat.refused, seat.done, seat.reads = [], [], [], [], [], []
        entries = [seat.disk.entries[index] for index in sorted(seat.disk.entries)]
        rng = Random(f"{name}/{seat.incarnation}")
        seat.core = self._factory(name, members, self._options, rng, seat.incarnation, seat.disk.promise, seat.disk.snapshot, entries)
        return seat

    def join(self, name: NodeId, number: int) -> Seat:
        """A node that knows nothing of the cluster."""
        self.seats[name] = Seat(name, number)
        return self.start(name, Configuration())

    def crash(self, name: NodeId) -> None:
        """What was not synced is lost."""
        self.seats[name].core = None

    def take(self, seat: Seat) -> Effects | None:
        """One turn's effects, carried out in their order."""
        effects = seat.running.take()
        if effects is None:
            return None
        seat.serials.append(effects.serial)
        self._send(seat, effects, early=True)
        seat.unsynced.append(effects)
        if effects.rollback:
            assert effects.snapshot is not None
            seat.committed = []
        elif effects.snapshot is not None and effects.snapshot.index > self._applied(seat):
            seat.installed.append(effects.snapshot)
            seat.committed = []
        seat.committed += effects.committed
        seat.reads += effects.reads
        seat.done += effects.done
        seat.refused += effects.refused
        self.transfers += [(seat.name, transfer) for transfer in effects.transfers]
        if not seat.held:
            self.sync(seat)
        return effects

    def sync(self, seat: Seat) -> None:
        """All batches so far become durable; the core is told of the last only."""
        batches, seat.unsynced = seat.unsynced, []
        for effects in batches:
            seat.disk.add(effects)
            self._send(seat, effects, early=False)
        if batches:
            seat.running.synced(batches[-1].serial)

    def _send(self, seat: Seat, effects: Effects, *, early: bool) -> None:
        for send in effects.sends if early else effects.sends_after_sync:
            if seat.name not in self.cut and send.to not in self.cut:
                self.wire += [(seat.name, send.to, send.message)] * self.repeat

    def _applied(self, seat: Seat) -> int:
        return seat.committed[-1].index if seat.committed else seat.disk.base

    def settle(self) -> None:
        """Until no core wants anything done and nothing is on the wire."""
        for _ in range(ROUNDS_MAX):
            busy = [self.take(seat) for seat in self.seats.values() if seat.core is not None]
            wire, self.wire = self.wire, []
            for source, destination, message in wire:
                seat = self.seats.get(destination)
                if seat is not None and seat.core is not None:
                    seat.core.receive(source, message)
            if not wire and all(effects is None for effects in busy):
                return
        raise AssertionError(f"not settled after {ROUNDS_MAX} rounds")

    def run(self, until: Callable[[], bool]) -> None:
        """Ticks on all nodes, in turn, until something holds."""
        self.settle()
        for _ in range(TICKS_MAX):
            if until():
                return
            for seat in self.seats.values():
                if seat.core is not None:
                    seat.core.tick()
            self.settle()
        raise AssertionError(f"not so after {TICKS_MAX} ticks: {[seat.core for seat in self.seats.values()]}")

    def leader(self) -> Seat | None:
        """The node that leads and whom a majority of the running nodes follow."""
        running = [seat for seat in self.seats.values() if seat.core is not None]
        for seat in running:
            if seat.running.leader == seat.name and 2 * sum(other.running.leader == seat.name for other in running) > len(running):
                return seat
        return None

    def elect(self) -> Seat:
        self.run(lambda: self.leader() is not None)
        seat = self.leader()
        assert seat is not None
        return seat

    def propose(self, seat: Seat, data: bytes) -> int:
        token = seat.token()
        seat.running.propose(data, token)
        self.settle()
        return token

    def ask(self, seat: Seat, change: Change) -> int:
        token = seat.token()
        seat.running.reconfigure(change, token)
        self.run(lambda: token in seat.done or any(refused.token == token for refused in seat.refused))
        return token

    def others(self, than: Seat) -> list[Seat]:
        return [seat for seat in self.seats.values() if seat is not than]


def commands(seat: Seat) -> list[bytes]:
    return [entry.data for entry in seat.committed if entry.kind == Kind.COMMAND]


def answered(seat: Seat) -> list[int]:
    """The tokens of reads that came to an end."""
    return [ready.token for ready in seat.reads] + [refused.token for refused in seat.refused]
