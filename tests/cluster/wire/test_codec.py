"""The message codec: what is encoded comes back, everything else is a ValueError that says what is wrong."""

from enum import Enum
from types import NoneType

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quorate.cluster.wire.codec import OneOf, Shape, decode, encode, pack_value, shape_of, unpack_value
from quorate.protocols.core import TAGS, Configuration, Member, Message, Snapshot, message


class Colour(Enum):
    RED = 1
    BLUE = 2


@message(65001)
class Plainest(Message):
    term: int
    granted: bool
    name: str
    data: bytes
    context: int | None


@message(65002)
class Deep(Message):
    snapshot: Snapshot
    held: Snapshot | None
    many: tuple[int, ...]
    pairs: tuple[tuple[str, bytes], ...]
    colour: Colour


@message(65003)
class Empty(Message):
    pass


@message(65004)
class One(Message):
    term: int


SNAPSHOT = Snapshot("7-3", 7, 3, Configuration((Member("n1", 1, "disk", True, False, "a:1", "b:2"),), 5), 100, 0xFFFFFFFF)
PLAINEST = Plainest(7, True, "n1", b"\x00x", None)
DEEP = Deep(SNAPSHOT, None, (1, 2), (("a", b"b"),), Colour.BLUE)


@pytest.mark.parametrize("original", [PLAINEST, DEEP, Deep(SNAPSHOT, SNAPSHOT, (), (), Colour.RED), Empty(), One(1 << 63)])
def test_a_message_comes_back_as_it_was(original: Message) -> None:
    assert original == decode(encode(original))


def test_a_snapshot_mark_comes_back_as_it_was() -> None:
    assert unpack_value(Snapshot, pack_value(SNAPSHOT)) == SNAPSHOT


def test_a_message_is_an_array_of_its_tag_and_fields() -> None:
    assert msgpack.unpackb(encode(PLAINEST)) == [65001, 7, True, "n1", b"\x00x", None]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ([65001, 7, True, "n1", b"", "x"], r"Plainest\.context: expected int or None, got str 'x'"),
        ([65001, True, True, "n1", b"", None], r"Plainest\.term: expected int, got bool True"),
        ([65001, 7, 1, "n1", b"", None], r"Plainest\.granted: expected bool, got int 1"),
        ([65001, 7, True, "n1", "text", None], r"Plainest\.data: expected bytes, got str 'text'"),
        ([65001, 7, True, "n1", b""], r"expected Plainest: 5 fields, got an array of 4"),
        ([65001, 7, True, "n1", b"", None, 1], r"expected Plainest: 5 fields, got an array of 6"),
        ([64999], "unknown message tag int 64999"),
        ([True], "unknown message tag bool True"),
        ([], "expected .tag, .fields., got an array of 0"),
        ({}, "got dict of 0"),
        ([65002, [1, 2, 3, [[], 5], 1, 2], None, [], [], 1], r"Deep\.snapshot: Snapshot\.id: expected str, got int 1"),
        ([65002, ["a", 2, 3, [[["n1"]], 5], 1, 2], None, [], [], 1], r"Member: 7 fields, got an array of 1"),
        ([65002, ["a", 2, 3, [[], 5], 1, 2], 5, [], [], 1], r"Deep\.held: expected Snapshot: 6 fields or None, got int 5"),
        ([65002, ["a", 2, 3, [[], 5], 1, 2], None, [1, "x"], [], 1], r"Deep\.many: expected int, got str 'x'"),
        ([65002, ["a", 2, 3, [[], 5], 1, 2], None, [], [["a"]], 1], r"Deep\.pairs: expected an array of 2, got an array of 1"),
        ([65002, ["a", 2, 3, [[], 5], 1, 2], None, [], [], 9], r"Deep\.colour: expected a Colour, got int 9"),
        ([65004, "x" * 1000], r"One\.term: expected int, got str of 1000"),
    ],
)
def test_a_wrong_message_is_refused_naming_what_came_and_what_was_expected(row: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        decode(msgpack.packb(row))


def test_a_class_whose_fields_cannot_go_on_the_wire_has_no_shape() -> None:
    @message(65005)
    class Wild(Message):
        callback: object

    try:
        with pytest.raises(TypeError, match=r"Wild\.callback"):
            shape_of(Wild)
    finally:
        del TAGS[65005]


def test_an_array_nested_deeper_than_the_interpreter_can_walk_is_refused() -> None:
    with pytest.raises(ValueError):
        decode(b"\x92\xcd\xfd\xea" + b"\x91" * 100_000 + b"\x01")


def test_a_length_beyond_the_bytes_that_came_is_refused() -> None:
    with pytest.raises(ValueError):
        decode(b"\xdd\xff\xff\xff\xff")


def refuses_or_returns(data: bytes) -> None:
    """Anything but ValueError escapes and fails the test; what decodes, decodes again from its own encoding."""
    try:
        decoded = decode(data)
    except ValueError:
        return
    assert decoded == decode(encode(decoded))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.binary(max_size=200))
@example(encode(DEEP))
def test_random_bytes_only_ever_raise_value_error(data: bytes) -> None:
    refuses_or_returns(data)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=30,
)


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.sampled_from([65001, 65002, 65003, 65004]), st.lists(plain, max_size=7))
def test_well_formed_rows_of_wrong_values_only_ever_raise_value_error(tag: int, row: list[object]) -> None:
    refuses_or_returns(msgpack.packb([tag, *row]))


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.sampled_from([PLAINEST, DEEP]), st.data())
def test_one_changed_byte_never_raises_anything_but_value_error(original: Message, data: st.DataObject) -> None:
    good = bytearray(encode(original))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    refuses_or_returns(bytes(good))


def test_the_fast_check_accepts_exactly_what_the_slow_one_does() -> None:
    shape: Shape[Plainest] = shape_of(Plainest)

    assert len(shape.accepted) == 2
    assert isinstance(shape.checks[4], OneOf)
    assert frozenset((int, NoneType)) == shape.checks[4].types


def test_a_field_that_was_added_later_is_left_out_while_it_has_its_default() -> None:
    """A configuration written before there were former numbers reads as one without any, and one without any is written as it was."""
    plain, later = Configuration((), 5), Configuration((), 5, (1, 4))

    assert msgpack.packb([[], 5]) == pack_value(plain)
    assert plain == unpack_value(Configuration, msgpack.packb([[], 5]))
    assert later == unpack_value(Configuration, pack_value(later))
    for row in ([[]], [[], 5, [1], 2], [[], 5, ["1"]]):
        with pytest.raises(ValueError, match="Configuration"):
            unpack_value(Configuration, msgpack.packb(row))
