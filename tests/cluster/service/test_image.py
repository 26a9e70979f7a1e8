"""Snapshots of a store: nothing is copied to take one, little is kept while it is read, nothing afterwards."""

import pytest
from msgpack import packb, unpackb

from quorate.cluster.service import commands
from quorate.cluster.service.commands import encode
from quorate.cluster.service.image import SLICE_BYTES, SLICE_ITEMS, VERSION, digest
from quorate.cluster.service.keyvalue import KeyValue
from tests.contracts.machine import entry, image, restore

COUNT = 5_000


def put(machine: KeyValue, number: int, value: bytes, index: int = 1) -> None:
    machine.apply(entry(index, encode(commands.put(b"%06d" % number, value))))


@pytest.fixture
def machine() -> KeyValue:
    machine = KeyValue()
    for number in range(COUNT):
        put(machine, number, b"old")
    return machine


def test_a_view_keeps_only_what_it_has_yet_to_read(machine: KeyValue) -> None:
    before = image(machine)
    slices = machine.freeze()()
    [kept] = machine.store.views
    read: list[bytes] = []
    while kept.read < b"002500":
        read.append(next(slices))
    for number in range(COUNT):
        put(machine, number, b"new")
        put(machine, number, b"newer")

    assert 0 < len(kept.records) <= COUNT - 2_500
    assert min(kept.records) > kept.read
    assert b"".join([*read, *slices]) == before
    assert not kept.records
    assert not machine.store.views


def test_a_frozen_state_that_nobody_reads_is_let_go(machine: KeyValue) -> None:
    encode_it = machine.freeze()
    assert len(machine.store.views) == 1
    del encode_it
    assert not machine.store.views

    slices = machine.freeze()()
    next(slices)
    slices.close()  # type: ignore[attr-defined]
    assert not machine.store.views


def test_a_deleted_key_that_comes_back_is_frozen_as_it_was(machine: KeyValue) -> None:
    before = image(machine)
    slices = machine.freeze()
    machine.apply(entry(1, encode(commands.delete(b"%06d" % 4_000))))
    put(machine, 4_000, b"back")
    put(machine, COUNT + 1, b"created since")

    assert b"".join(slices()) == before


def test_a_machine_restored_while_it_is_frozen_does_not_disturb_the_view(machine: KeyValue) -> None:
    before = image(machine)
    slices = machine.freeze()
    restore(machine, [image(KeyValue())])
    put(machine, 1, b"new")

    assert b"".join(slices()) == before


def test_slices_are_counted_alike_wherever_a_key_came_from(machine: KeyValue) -> None:
    """The lists of the index depend on the order of insertion; the bytes and their cuts must not."""
    copy = KeyValue()
    restore(copy, [image(machine)])

    assert list(copy.freeze()()) == list(machine.freeze()())
    for part in copy.freeze()():
        assert len(part) <= SLICE_BYTES
        fields = unpackb(part)
        assert len(fields) != 2 or type(fields[1]) is not list or len(fields[1]) <= 4 * SLICE_ITEMS


def test_equal_states_have_equal_digests_and_others_not(machine: KeyValue) -> None:
    copy = KeyValue()
    restore(copy, [image(machine)])
    same = digest(copy)
    put(copy, 1, b"old")

    assert same == digest(machine) != digest(copy)


@pytest.mark.parametrize(
    "data",
    [
        packb((VERSION + 1, 0, 0)),
        packb("quorate"),
        packb((VERSION, 0, 0)) + packb((9, [])),
        packb((VERSION, 0, 0)) + packb((5, 1)),
        packb((VERSION, 0, 0)) + packb((5, 0)) + packb((5, 0)),
        packb((VERSION, 0, 0)) + b"\xc1",
        packb((VERSION, 0, 0)) + b"\xc6\xff\xff\xff\xff",
        packb((VERSION, 0, 0)) + packb((2, [1, b"k", None])),
        packb((VERSION, 0, 0)) + packb((4, [b"k"])),
        packb((VERSION, 0, 0)),
        b"",
    ],
)
def test_what_is_no_snapshot_is_refused_and_the_state_stays(machine: KeyValue, data: bytes) -> None:
    before = digest(machine)
    with pytest.raises(ValueError):
        restore(machine, [data])

    assert digest(machine) == before
