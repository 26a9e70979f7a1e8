"""The service's own state machine in the simulator of the cores: its clients' histories, judged by the model of the service.

The engine's worlds fail in every way that the simulator knows; the machine is the one that production runs.
"""

from collections.abc import Callable, Iterator
from random import Random

import pytest

from quorate.cluster.service import commands
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.results import decode_delete, decode_get, decode_put, decode_range, decode_swap, decode_transaction
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.recorded_client import branch, compared, deleted, item, ranged, transacted
from quorate.cluster.verify.simulated import Recording
from quorate.cluster.verify.verdict import Answer, Verdict
from quorate.protocols.core import Entry, StateMachine
from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.application import Call
from quorate.protocols.simulation.raft_view import RAFT

SEEDS = 12
EVENTS = 4_000
KEYS = ("a", "b", "c")
TOLD: dict[str, Callable[[bytes], object]] = {
    "put": lambda payload: decode_put(payload).revision,
    "get": lambda payload: item(decode_get(payload).item),
    "delete": lambda payload: deleted(decode_delete(payload)),
    "cas": lambda payload: tuple(decode_swap(payload)[:2]),
    "cas_revision": lambda payload: tuple(decode_swap(payload)[:2]),
    "range": lambda payload: ranged(decode_range(payload)),
    "txn": lambda payload: transacted(decode_transaction(payload)),
}


class Service(KeyValue):
    """The simulator's disk holds an image as a function and reads it for every node that asks; a node's holds the bytes, written once."""

    def freeze(self) -> Callable[[], Iterator[bytes]]:
        image = tuple(super().freeze()())
        return lambda: iter(image)


class KeyValues:
    """Clients that use all of the service, but for leases."""

    def __init__(self, machine: Callable[[], StateMachine] = Service) -> None:
        self._machine = machine
        self._count = 0
        self._values = dict.fromkeys(KEYS, b"")

    def machine(self) -> StateMachine:
        return self._machine()

    def write(self, rng: Random, process: int) -> Call:
        key = rng.choice(KEYS)
        name, expected = key.encode(), self._values[key]
        self._count += 1
        value = self._values[key] = b"%d" % self._count
        match rng.randrange(6):
            case 0:
                return Call("delete", key, None, commands.encode(commands.delete(name)))
            case 1:
                return Call("cas", key, (expected, value), commands.encode(commands.compare_and_swap(name, expected, value)))
            case 2:
                revision = rng.randrange(self._count)
                return Call("cas_revision", key, (revision, value), commands.encode(commands.compare_and_swap(name, revision, value)))
            case 3:
                comparisons = [commands.compare(name, commands.Target.VERSION, commands.Relation.GREATER, 0)]
                then = [commands.put(rng.choice(KEYS).encode(), value), commands.get(name)]
                otherwise = [commands.put(name, value), commands.range(b"a", b"c")]
                argument = (tuple(map(compared, comparisons)), tuple(map(branch, then)), tuple(map(branch, otherwise)))
                return Call("txn", None, argument, commands.encode(commands.transaction(comparisons, then, otherwise)))
            case _:
                return Call("put", key, value, commands.encode(commands.put(name, value)))

    def read(self, rng: Random, process: int) -> Call:
        if rng.random() < 0.2:
            return Call("range", None, (b"a", b"c", 0), commands.encode(commands.range(b"a", b"c")), writes=False)
        key = rng.choice(KEYS)
        return Call("get", key, None, commands.encode(commands.get(key.encode())), writes=False)

    def result(self, call: Call, payload: bytes) -> object:
        return TOLD[call.function](payload)


def judged(seed: int, application: KeyValues) -> Verdict:
    recording = Recording()
    result = Campaign(RAFT, seed, application=application, observer=recording).run(EVENTS, liveness=False)
    assert result.violation is None, result.violation
    return check(recording.history({"seed": seed}), "kv")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_service_on_a_sound_engine_gives_histories_that_are_accepted(seed: int) -> None:
    assert Answer.VALID is judged(seed, KeyValues()).answer


class AnswersFromBefore(Service):
    """Queries see the state without the last write: what a cache in front of the machine would do."""

    def __init__(self) -> None:
        super().__init__()
        self._before = KeyValue()
        self._last: Entry | None = None

    def apply(self, entry: Entry) -> bytes:
        if self._last is not None:
            self._before.apply(self._last)
        self._last = entry
        return super().apply(entry)

    def query(self, query: bytes) -> bytes:
        return self._before.query(query)


class SwapsWithoutComparing(Service):
    """A compare-and-swap that puts whatever it was given."""

    def apply(self, entry: Entry) -> bytes:
        match commands.decode(entry.data):
            case [commands.SWAP, key, _, bytes(value), *_]:
                data = commands.encode(commands.compare_and_swap(key, self._current(key), value))
                entry = Entry(entry.index, entry.term, entry.origin, entry.kind, data)
        return super().apply(entry)

    def _current(self, key: bytes) -> bytes | None:
        found = decode_get(self.query(commands.encode(commands.get(key)))).item
        return None if found is None else found.value


@pytest.mark.parametrize("machine", [AnswersFromBefore, SwapsWithoutComparing])
def test_a_service_that_lacks_a_safeguard_gives_histories_that_are_refused(machine: type[Service]) -> None:
    """The engine is whole and the nodes agree: only the clients' words can tell."""
    assert Answer.INVALID in [judged(seed, KeyValues(machine)).answer for seed in range(4)]
