"""Every bound of the service holds, and what is over it is refused."""

import pytest

from quorate.cluster.service import commands, limits, results
from quorate.cluster.service.commands import encode
from quorate.cluster.service.image import digest
from quorate.cluster.service.limits import CHOSEN_LEASE_ID_MIN, DELETED_KEYS_MAX, KEY_BYTES_MAX, VALUE_BYTES_MAX
from quorate.cluster.service.results import LeaseExists, LimitReached
from quorate.cluster.wire.errors import BadRequest, Compacted, TooLarge
from tests.cluster.service.keyvalues import World, copied
from tests.contracts.machine import entry


@pytest.fixture
def world() -> World:
    return World()


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
    assert digest(copied(world.machine)) == digest(world.machine)


def test_history_is_bounded_in_bytes(world: World) -> None:
    data = encode(commands.put(b"k", bytes(VALUE_BYTES_MAX)))
    for index in range(1, 100):
        world.machine.apply(entry(index, data))

    # Each event has the record and the one before it, of a megabyte each.
    assert world.machine.history.byte_count <= limits.HISTORY_BYTES_MAX + 3 * VALUE_BYTES_MAX
    assert world.machine.history.compacted >= 60
