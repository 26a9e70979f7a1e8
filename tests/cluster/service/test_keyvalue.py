"""The key-value machine against a naive model, its limits, and the contract of all machines."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cluster.service import commands, limits, results
from quorate.cluster.service.commands import Operation, Relation, Target, encode
from quorate.cluster.service.image import digest
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.limits import CHOSEN_LEASE_ID_MIN, DELETED_KEYS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX
from quorate.cluster.service.results import FutureRevision, LeaseExists, LimitReached
from quorate.cluster.wire.errors import BadRequest, Compacted, LeaseNotFound, QuorateError, TooLarge
from quorate.protocols.sessions import NONCE_BYTES, Sessions, in_session, open_session, plain
from tests.cluster.service import operations
from tests.cluster.service.model import Model, outcome
from tests.contracts.machine import MachineContract, MachineWorld, entry, restore


class World:
    """A machine and the next index of its log."""

    def __init__(self, machine: KeyValue | None = None, index: int = 0) -> None:
        self.machine = machine or KeyValue()
        self.index = index

    def apply(self, operation: Operation, term: int = 1) -> bytes:
        self.index += 1
        return self.machine.apply(entry(self.index, encode(operation), term))

    def do(self, operation: Operation) -> object:
        return outcome(operation, self.apply(operation))

    def ask(self, operation: Operation) -> object:
        return outcome(operation, self.machine.query(encode(operation)))


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
            world = World(KeyValue(), world.index) if not position else World(_copy(world.machine), world.index)
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
    copy = _copy(world.machine).store
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


def test_keys_and_values_are_bounded(world: World) -> None:
    assert world.do(commands.put(b"k" * KEY_BYTES_MAX, b"v" * VALUE_BYTES_MAX)) == results.PutResult(1)
    assert world.do(commands.put(b"k" * (KEY_BYTES_MAX + 1), b"v")) is TooLarge
    assert world.do(commands.put(b"k", b"v" * (VALUE_BYTES_MAX + 1))) is TooLarge
    assert world.do(commands.compare_and_swap(b"k", None, b"v" * (VALUE_BYTES_MAX + 1))) is TooLarge
    assert world.ask(commands.get(b"k" * (KEY_BYTES_MAX + 1))) is TooLarge
    many = [commands.put(b"k", b"v")] * (limits.TXN_OPERATIONS_MAX + 1)
    assert world.do(commands.transaction([], many)) is TooLarge


def test_too_many_keys_to_delete_at_once_are_refused_and_go_in_pieces(world: World) -> None:
    for number in range(DELETED_KEYS_MAX + 5):
        world.apply(commands.put(b"%06d" % number, b""))

    assert world.do(commands.delete_range(b"", b"")) is TooLarge
    assert (
        world.do(commands.transaction([], [commands.delete_range(b"", b"", limit=DELETED_KEYS_MAX), commands.delete(b"%06d" % 10_001)]))
        is TooLarge
    )
    revision = world.machine.revision
    assert world.do(commands.delete_range(b"", b"", limit=1 << 40)) == results.DeleteResult(revision + 1, DELETED_KEYS_MAX, True)
    assert world.do(commands.delete_range(b"", b"")) == results.DeleteResult(revision + 2, 5, False)


def test_a_long_range_comes_in_pages_that_lose_nothing(world: World) -> None:
    expected = [b"%04d" % number for number in range(40)]
    for key in expected:
        world.apply(commands.put(key, bytes(100_000)))
    found: list[bytes] = []
    more, start = True, b""
    while more:
        page = results.decode_range(world.machine.query(encode(commands.range(start, b"", revision=40))))
        assert sum(len(item.value) for item in page.items) <= limits.RANGE_BYTES_MAX
        found += [item.key for item in page.items]
        more, start = page.more, page.items[-1].key + b"\0"
        world.apply(commands.put(b"%04d" % 39, b"later"))

    assert found == expected


def test_a_range_reply_carries_one_item_however_large(world: World) -> None:
    world.apply(commands.put(b"a" * KEY_BYTES_MAX, bytes(VALUE_BYTES_MAX)))
    page = results.decode_range(world.machine.query(encode(commands.range(b"", b""))))

    assert (len(page.items), page.more) == (1, False)


def test_the_answers_of_one_transaction_are_bounded(world: World) -> None:
    world.apply(commands.put(b"a", bytes(VALUE_BYTES_MAX)))

    assert isinstance(world.do(commands.transaction([], [commands.get(b"a")])), results.TxnResult)
    assert world.do(commands.transaction([], [commands.get(b"a"), commands.get(b"a")])) is TooLarge


def test_lease_ids_are_unique_whoever_chooses_them(world: World) -> None:
    assert world.do(commands.lease_grant(5_000)) == results.LeaseGranted(1, 5_000)
    assert world.do(commands.lease_grant(5_000, id=CHOSEN_LEASE_ID_MIN)) == results.LeaseGranted(CHOSEN_LEASE_ID_MIN, 5_000)
    assert world.do(commands.lease_grant(5_000, id=CHOSEN_LEASE_ID_MIN)) is LeaseExists
    assert world.do(commands.lease_grant(5_000, id=5)) is BadRequest


def test_keys_on_one_lease_are_bounded(world: World) -> None:
    world.do(commands.lease_grant(5_000))
    for number in range(limits.LEASE_KEYS_MAX):
        world.apply(commands.put(b"%06d" % number, b"", lease=1))

    assert world.do(commands.put(b"more", b"", lease=1)) is LimitReached
    assert isinstance(world.do(commands.put(b"%06d" % 0, b"again", lease=1)), results.PutResult)
    ended = world.do(commands.lease_revoke(1))
    assert isinstance(ended, results.LeaseRevoked)
    assert ended.deleted == limits.LEASE_KEYS_MAX


def test_history_is_bounded_and_says_so(world: World) -> None:
    data = encode(commands.put(b"k", b"v"))
    for index in range(1, limits.HISTORY_EVENTS_MAX + 3_000):
        world.machine.apply(entry(index, data))
    stats = results.decode_stats(world.machine.query(encode(commands.stats())))

    assert limits.HISTORY_EVENTS_MAX - 2_000 <= stats.history_events <= limits.HISTORY_EVENTS_MAX + 2_000
    assert stats.compacted >= 1_000
    assert world.ask(commands.get(b"k", revision=stats.compacted - 1)) is Compacted
    assert isinstance(world.ask(commands.get(b"k", revision=stats.compacted)), results.GetResult)
    assert digest(_copy(world.machine)) == digest(world.machine)


def test_history_is_bounded_in_bytes(world: World) -> None:
    data = encode(commands.put(b"k", bytes(VALUE_BYTES_MAX)))
    for index in range(1, 100):
        world.machine.apply(entry(index, data))

    # Each event has the record and the one before it, of a megabyte each.
    assert world.machine.history.byte_count <= limits.HISTORY_BYTES_MAX + 3 * VALUE_BYTES_MAX
    assert world.machine.history.compacted >= 60


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


def _copy(machine: KeyValue) -> KeyValue:
    copy = KeyValue()
    restore(copy, list(machine.freeze()()))
    return copy


def _current(world: World, key: bytes) -> results.KeyValue:
    item = results.decode_get(world.machine.query(encode(commands.get(key)))).item
    assert item is not None
    return item
