"""The rules of the one interface, each taken out: those that the driver, the disk, the sessions and the log in memory keep for any engine.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Callable, Iterable, Iterator

from quorate.protocols.core import Core, Effects, Entry, NodeId
from quorate.protocols.log import Log
from quorate.protocols.sessions import Session, Sessions
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.requests import Requests
from quorate.protocols.simulation.workload import Operation

# --- sync and atomic batches ---


class SendsTooEarly(Node):
    """What should leave after the sync leaves at once."""

    def carry_out(self, effects: Effects) -> None:
        effects.sends = [*effects.sends, *effects.sends_after_sync]
        effects.sends_after_sync = []
        super().carry_out(effects)


class LetsEmptyBatchesOvertake(Node):
    """What an empty batch sends after the sync does not wait for the batches before it."""

    def _must_wait(self) -> bool:
        return False


class TearsBatches(SimulatedDisk):
    """The sectors of one write reach the disk in any order; a crash may leave a batch without its beginning."""

    def crash(self) -> None:
        queue, before = list(self._queue), self.durable.last
        super().crash()
        torn = next((batch for batch in queue if batch.entries and batch.entries[-1].index > self.durable.last), None)
        if torn is not None and self.durable.last == before:
            torn.promise, torn.truncate, torn.snapshot, torn.entries = None, None, None, torn.entries[len(torn.entries) // 2 :]
            self.durable.add(torn)


class ForgetsToClip(Log):
    """The sync of a batch that was overwritten meanwhile vouches for what stands there now."""

    def clip(self, index: int) -> None: ...


# --- outcomes ---


class _Guesses(Requests):
    def asked(self, entry: Entry) -> Operation | None:
        token = next((token for token, operation in self.open.items() if operation.kind == "write"), None)
        return None if token is None else self.open.pop(token)


class ResolvesByPosition(Node):
    """Whoever waits longest is told when anything commits that was proposed here or elsewhere."""

    requests_class = _Guesses


class ForgetsItsIncarnation(Node):
    """Origins are used again after a restart."""

    def _next_incarnation(self) -> int:
        return self.uncounted + 1


# --- ticks and reads ---


class FeedsBeforeTicking(Node):
    """A turn's reads come before the clock is looked at."""

    def turn(self) -> None:
        assert self.core is not None
        self._drain(self.core)
        self.requests.feed(self.core)
        self.flush()
        if self.core is not None:
            self._tick(self.core)
            self.flush()


class CountsOneTickATurn(Node):
    """Of the ticks that elapsed during a stall only one is told."""

    def _tick(self, core: Core) -> None:
        now = self.clock.ticks(self.host.schedule.now)
        if now != self._ticks:
            self._ticks = now
            core.tick(1)


class _Hurries(Requests):
    def answer(self) -> None:
        self.reads = [(0, operation) for _, operation in self.reads]
        super().answer()


class AnswersBeforeApplying(Node):
    """Reads are answered from whatever is applied, not from the index that was confirmed."""

    requests_class = _Hurries


class FreezesAhead(Node):
    """A snapshot is taken of what is applied though it is not durable here."""

    def may_freeze(self, core: Core, index: int) -> bool:
        return True


class CountsWipedDisks(Node):
    """Whoever bears a member's name is heard, whatever disk it comes with."""

    def accepts_disk(self, peer: NodeId, storage: str, configuration_index: int = -1) -> bool:
        return True


# --- sessions ---


class AppliesEveryCopy(Sessions):
    """No result is kept, so every copy of a command is applied."""

    def apply(self, entry: Entry) -> bytes:
        result = super().apply(entry)
        for session in self._sessions.values():
            session.results.clear()
        return result


class ForgetsTheMark(Sessions):
    """Results up to the mark are dropped, and the mark with them: a copy that comes late is applied anew."""

    def _forget(self, session: Session, low_water: int) -> None:
        super()._forget(session, low_water)
        session.low_water = 0


class ExpiresByItsOwnClock(Sessions):
    """The leader ends a silent session at once and by itself."""

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        for command in super().due(now_ms, term):
            self.apply(Entry(0, 0, 0, 0, command))
        return ()


class SnapshotsWithoutSessions(Sessions):
    """A snapshot carries the state, and not who has already changed it."""

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        kept, self._sessions = self._sessions, {}
        encode = super().freeze()
        self._sessions = kept
        return encode
