"""The key-value machine against a naive model, and the contract of all machines."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cluster.service import commands, results
from quorate.cluster.service.commands import Operation, Relation, Target, encode
from quorate.cluster.service.image import digest
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.results import FutureRevision
from quorate.cluster.wire.errors import BadRequest, Compacted, LeaseNotFound, QuorateError
from quorate.protocols.sessions import NONCE_BYTES, Sessions, in_session, open_session, plain
from tests.cluster.service import operations
from tests.cluster.service.keyvalues import World, copied
from tests.cluster.service.model import Model
from tests.contracts.machine import MachineContract, MachineWorld, entry


@pytest.fixture
def world() -> World:
    return World()


class KeyValueWorld:
    def machine(self) -> KeyValue:
        return KeyValue()

    def commands(self, rng: Random, count: int) -> list[bytes]:
        return [encode(operation) for operation in operations.seeded(rng, count)]

    def queries(self) -> list[bytes]:
        asked = [
            commands.range(b"", b""),
            commands.stats(),
            commands.leases(),
            commands.lease(1, keys=True),
            commands.get(b"k1", revision=3),
        ]
        return [encode(operation) for operation in asked]


class WrappedWorld(KeyValueWorld):
    def machine(self) -> Sessions:  # type: ignore[override]
        return Sessions(KeyValue())

    def commands(self, rng: Random, count: int) -> list[bytes]:
        inner = super().commands(rng, count - 1)
        nested = [
            in_session(1, rng.randrange(1, sequence + 2), 0, command) if rng.random() < 0.5 else plain(command)
            for sequence, command in enumerate(inner)
        ]
        return [open_session(b"n" * NONCE_BYTES, 5_000), *nested]


class TestContract(MachineContract):
    @pytest.fixture
    def world(self) -> MachineWorld:
        return KeyValueWorld()


class TestContractInSessions(MachineContract):
    @pytest.fixture
    def world(self) -> MachineWorld:
        return WrappedWorld()


steps = st.lists(operations.writes | operations.compactions | operations.reads, max_size=50)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(steps, st.integers(0, 50))
def test_every_result_is_that_of_a_naive_store(run: list[Operation], restored_after: int) -> None:
    """The naive store keeps a full copy of all keys per revision. Somewhere the machine is replaced by its own snapshot."""
    world, model = World(), Model()
    for position, operation in enumerate(run):
        if position == restored_after:
            world = World(KeyValue(), world.index) if not position else World(copied(world.machine), world.index)
        if operation[0] in (commands.GET, commands.RANGE, commands.LEASE, commands.LEASES):
            assert model.outcome(operation) == world.ask(operation)
        else:
            assert model.outcome(operation, world.index + 1) == world.do(operation)

    assert model.outcome(commands.range(b"", b"")) == world.ask(commands.range(b"", b""))
    for revision in range(max(1, model.compacted), model.revision + 1):
        past = commands.range(b"", b"", revision=revision)
        assert model.outcome(past) == world.ask(past)
        for key in operations.KEYS:
            then = commands.get(key, revision=revision)
            assert model.outcome(then) == world.ask(then)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(steps)
def test_sizes_are_those_of_what_is_there(run: list[Operation]) -> None:
    world = World()
    for operation in run:
        world.do(operation)
    store = world.machine.store

    assert store.byte_count == sum(len(key) + len(record) for key, record in store.records.items())
    assert list(store.index.ascending(b"", b"")) == sorted(store.records)
    assert list(store.index.descending(b"", b"")) == sorted(store.records, reverse=True)
    attached = {(key, lease.id) for lease in store.leases for key in lease.keys}
    assert attached == {(key, record.lease) for key in store.records if (record := _current(world, key)).lease}
    copy = copied(world.machine).store
    assert (copy.byte_count, copy.history.byte_count, copy.history.event_count) == (
        store.byte_count,
        store.history.byte_count,
        store.history.event_count,
    )


def test_a_transaction_that_is_refused_has_changed_nothing(world: World) -> None:
    world.do(commands.put(b"a", b"1"))
    before = digest(world.machine)
    late = commands.transaction([], [commands.put(b"a", b"2"), commands.delete(b"a"), commands.put(b"b", b"", lease=9)])

    assert world.do(late) is LeaseNotFound
    assert world.do(commands.transaction([], [commands.put(b"a", b"2"), commands.put(b"", b"2")])) is BadRequest
    assert digest(world.machine) == before


def test_a_transaction_sees_its_own_writes(world: World) -> None:
    world.do(commands.put(b"a", b"1"))
    world.do(commands.put(b"c", b"1"))
    then = [
        commands.put(b"b", b"2"),
        commands.delete(b"c"),
        commands.get(b"b"),
        commands.get(b"c"),
        commands.range(b"", b"", keys_only=True),
    ]
    result = results.decode_transaction(world.apply(commands.transaction([], then)))

    *_, b, c, everything = result.results
    assert isinstance(b, results.GetResult)
    assert b.item is not None
    assert b.item.value == b"2"
    assert c == results.GetResult(3, None)
    assert isinstance(everything, results.RangeResult)
    assert [item.key for item in everything.items] == [b"a", b"b"]


def test_a_write_that_changes_nothing_has_no_revision(world: World) -> None:
    world.do(commands.put(b"a", b"1"))
    world.do(commands.delete(b"absent"))
    world.do(commands.delete_range(b"x", b"z"))
    world.do(commands.transaction([], [commands.put(b"t", b""), commands.delete(b"t")]))
    world.do(commands.compare_and_swap(b"a", b"other", b"2"))

    assert world.machine.revision == 1


@pytest.mark.parametrize(
    "operation",
    [
        (),
        (1,),
        (1, b"k"),
        (1, "k", b"v"),
        (1, b"k", "v"),
        (1, b"", b"v"),
        (1, b"k", None),
        (1, b"k", b"v", -1, 0),
        (1, b"k", b"v", 1 << 63, 0),
        (1, b"k", b"v", 0, b""),
        (1, b"k", b"v", 0, 0, 0),
        (2,),
        (2, [b"k"]),
        (3, b"a", b"b"),
        (3, b"a", b"b", -1, 0),
        (3, b"a", b"b" * 5_000, 0, 0),
        (4, b"k", "x", b"v", 0),
        (4, b"k", None, 7, 0),
        (4, b"k", b"no", 7, 0),
        (5, [], [], {}),
        (5, [(0, b"k", 0, 7)], [], []),
        (5, [(1, b"k", 0, b"x")], [], []),
        (5, [(9, b"k", 0, 7)], [], []),
        (5, [(1, b"k", 9, 7)], [], []),
        (5, [(1, b"k", 0)], [], []),
        (5, [(2, b"k", 3, 100), (1, b"k", 9, 7)], [], []),
        (5, [], [[]], []),
        (5, [], [(16, b"k", 1)], []),
        (5, [], [(17, b"", b"", 0, 1, 0)], []),
        (5, [], [(6, 5_000, 0)], []),
        (6, 5_000, 7),
        (6, 1, 0),
        (6, 1 << 60, 0),
        (7, "1"),
        (9, -1),
        (16, b"k"),
        (99,),
        ("put", b"k", b"v"),
        (None,),
        ([],),
    ],
)
def test_a_malformed_command_is_refused_and_changes_nothing(world: World, operation: Operation) -> None:
    before = digest(world.machine)

    assert isinstance(results.error_of(world.apply(operation)), BadRequest)
    assert digest(world.machine) == before


@pytest.mark.parametrize(
    "query",
    [
        (),
        (16,),
        (16, b""),
        (16, b"k", -1),
        (17, b"", b""),
        (17, b"", b"", 0, 0, "x"),
        (18, 1),
        (18, b"", 0),
        (19,),
        (20, 1),
        (1, b"k", b"v"),
    ],
)
def test_a_malformed_query_is_refused(world: World, query: Operation) -> None:
    assert isinstance(results.error_of(world.machine.query(encode(query))), BadRequest)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=40))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    machine = KeyValue()

    assert machine.apply(entry(1, data))
    assert machine.query(data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 25) | st.floats(allow_nan=False) | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=20,
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.integers(1, 20), st.lists(anything, max_size=5))
def test_any_arguments_have_an_answer_and_refusals_change_nothing(number: int, arguments: list[object]) -> None:
    machine = KeyValue()
    before = digest(machine)
    data = encode([number, *arguments])
    refused = results.error_of(machine.apply(entry(1, data))) is not None

    assert machine.query(data)
    assert not refused or digest(machine) == before


def test_a_compacted_error_names_the_oldest_revision(world: World) -> None:
    for _ in range(5):
        world.do(commands.put(b"k", b"v"))
    world.do(commands.compact(3))

    with pytest.raises(Compacted) as caught:
        results.decode_get(world.machine.query(encode(commands.get(b"k", revision=2))))
    assert caught.value.revision == 3
    assert caught.value.definite
    assert world.ask(commands.get(b"k", revision=6)) is FutureRevision
    assert world.do(commands.compact(2)) is Compacted


@pytest.mark.parametrize(
    ("relation", "expected"), [(Relation.EQUAL, False), (Relation.NOT_EQUAL, True), (Relation.LESS, False), (Relation.GREATER, False)]
)
def test_an_absent_value_differs_from_every_value(world: World, relation: Relation, expected: bool) -> None:
    result = results.decode_transaction(world.apply(commands.transaction([commands.compare(b"k", Target.VALUE, relation, b"")], [])))

    assert result.succeeded is expected


def test_every_error_of_the_service_is_definite() -> None:
    for error in (*results._ERRORS.values(), Compacted):
        assert issubclass(error, QuorateError)
        assert error.definite


def _current(world: World, key: bytes) -> results.KeyValue:
    item = results.decode_get(world.machine.query(encode(commands.get(key)))).item
    assert item is not None
    return item
