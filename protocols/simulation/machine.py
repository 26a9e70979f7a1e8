"""The replicated state of a simulated node: any state machine, and beside it a digest of everything applied.

The rule it keeps: two histories are compared by two integers, whatever the machine; and whether a command took effect is seen
where it takes effect, inside any sessions, not where it is asked for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from zlib import crc32

from quorate.protocols.core import Entry, Kind, Snapshot, StateMachine
from quorate.protocols.sessions import Sessions

_MASK = (1 << 64) - 1


def chain(digest: int, entry: Entry) -> int:
    """The digest of a history that goes on with `entry`."""
    return ((digest * 0x100000001B3) ^ crc32(entry.data) ^ (entry.origin << 7) ^ (entry.index << 32) ^ entry.kind) & _MASK


@dataclass(frozen=True, slots=True)
class Image:
    """What a snapshot's bytes hold."""

    snapshot: Snapshot
    digest: int
    encode: Callable[[], Iterator[bytes]] = lambda: iter(())


class Silent:
    """A state machine without state, for worlds in which only the log matters."""

    def apply(self, entry: Entry) -> bytes:
        return b""

    def query(self, query: bytes) -> bytes:
        return b""

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        return ()

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        return lambda: iter(())

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        return iter(())


class Witness:
    """Stands between sessions and the machine inside them, and knows the last entry that took effect there."""

    __slots__ = ("_apply", "_inner", "index")

    def __init__(self, inner: StateMachine) -> None:
        self._inner = inner
        self._apply = inner.apply
        self.index = 0

    def apply(self, entry: Entry) -> bytes:
        self.index = entry.index
        return self._apply(entry)

    def query(self, query: bytes) -> bytes:
        return self._inner.query(query)

    def due(self, now_ms: int, term: int) -> Iterable[bytes]:
        return self._inner.due(now_ms, term)

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        return self._inner.freeze()

    def restore(self, chunks: Iterable[bytes]) -> Iterator[None]:
        return self._inner.restore(chunks)


class Machine:
    """Applies entries in order and can say what it has become."""

    __slots__ = ("applied", "digest", "state", "term", "witness")

    def __init__(self, state: StateMachine | None = None, witness: Witness | None = None) -> None:
        self.applied = 0
        self.term = 0
        """Of the last entry applied."""
        self.digest = 0
        self.state: StateMachine = Silent() if state is None else state
        self.witness = witness
        """None where commands carry no sessions."""

    def apply(self, entry: Entry) -> bytes:
        self.digest = chain(self.digest, entry)
        self.applied = entry.index
        self.term = entry.term
        return self.state.apply(entry) if entry.kind == Kind.COMMAND else b""

    def freeze(self, snapshot: Snapshot) -> Image:
        return Image(snapshot, self.digest, self.state.freeze())

    def restore(self, image: Image) -> None:
        self.applied, self.term, self.digest = image.snapshot.index, image.snapshot.term, image.digest
        for _ in self.state.restore(image.encode()):
            pass


MakeMachine = Callable[[], Machine]


def with_sessions(make: Callable[[], StateMachine], sessions: Callable[[StateMachine], StateMachine] = Sessions) -> MakeMachine:
    """Machines in which every command is applied once, as the runtime's replicas have them."""

    def machine() -> Machine:
        witness = Witness(make())
        return Machine(sessions(witness), witness)

    return machine
