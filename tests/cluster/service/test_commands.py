"""The encoding: part of the format on disk and on the wire, so its bytes are frozen here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.cluster.service import commands, results
from quorate.cluster.service.commands import Operation, Relation, Target, decode, encode, prefix, single
from quorate.cluster.service.results import BAD_REQUEST, decode_put, error_of, refusal
from quorate.cluster.wire.errors import BadRequest

FROZEN: list[tuple[Operation, str]] = [
    (commands.put(b"k", b"v"), "9301c4016bc40176"),
    (commands.put(b"k", b"v", lease=3, keep_lease=True, previous=True), "9501c4016bc401760303"),
    (commands.delete(b"k"), "9202c4016b"),
    (commands.delete(b"k", previous=True), "9302c4016b01"),
    (commands.delete_range(b"a", b"b", limit=5), "9503c40161c401620500"),
    (commands.compare_and_swap(b"k", None, b"v"), "9504c4016bc0c4017600"),
    (commands.compare_and_swap(b"k", b"old", None), "9504c4016bc4036f6c64c000"),
    (
        commands.transaction([commands.compare(b"k", Target.MOD_REVISION, Relation.LESS, 9)], [commands.get(b"k")]),
        "9405919403c4016b0209919210c4016b90",
    ),
    (commands.lease_grant(5_000), "9306cd138800"),
    (commands.lease_revoke(7), "920707"),
    (commands.lease_expire(7, 5, 2), "9408070502"),
    (commands.compact(9), "920909"),
    (commands.get(b"k"), "9210c4016b"),
    (commands.get(b"k", revision=4), "9310c4016b04"),
    (commands.range(b"a", b"", limit=2, keys_only=True, descending=True), "9611c40161c400020005"),
    (commands.lease(7), "931207c2"),
    (commands.leases(), "921300"),
    (commands.stats(), "9114"),
]


@pytest.mark.parametrize(("operation", "expected"), FROZEN)
def test_the_bytes_of_every_operation_are_frozen(operation: Operation, expected: str) -> None:
    assert encode(operation).hex() == expected


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        (b"a", (b"a", b"b")),
        (b"ab", (b"ab", b"ac")),
        (b"a\xff", (b"a\xff", b"b")),
        (b"a\xff\xff", (b"a\xff\xff", b"b")),
        (b"\xff", (b"\xff", b"")),
        (b"", (b"", b"")),
    ],
)
def test_a_prefix_is_a_range(beginning: bytes, expected: tuple[bytes, bytes]) -> None:
    assert prefix(beginning) == expected


@given(st.binary(max_size=4), st.binary(max_size=5))
def test_a_range_made_of_a_prefix_holds_exactly_the_keys_that_begin_so(beginning: bytes, key: bytes) -> None:
    start, end = prefix(beginning)

    assert key.startswith(beginning) == (start <= key and (not end or key < end))


@given(st.binary(max_size=3), st.binary(max_size=4))
def test_a_range_made_of_a_key_holds_just_this_key(key: bytes, other: bytes) -> None:
    start, end = single(key)

    assert (key == other) == (start <= other < end)


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x90", b"\x01", b"\x91\xa1x", b"\x93\x01"])
def test_what_is_no_command_does_not_decode(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode(data)


def test_a_refusal_decodes_as_its_error_wherever_it_comes() -> None:
    data = refusal(BAD_REQUEST, "no such thing")

    assert isinstance(error_of(data), BadRequest)
    with pytest.raises(BadRequest, match="no such thing"):
        decode_put(data)


def test_every_refusal_has_its_error() -> None:
    for status in range(results.BAD_REQUEST, results.LIMIT_REACHED + 1):
        error = error_of(refusal(status, "message", 3))
        assert error is not None
        assert error.message == "message"
