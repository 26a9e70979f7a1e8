"""Keys in order: the index is a sorted set, and a frozen one never changes."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cluster.service.index import CHUNK_KEYS_MAX, KeyIndex


def filled(keys: list[bytes]) -> KeyIndex:
    index = KeyIndex()
    for key in keys:
        index.add(key)
    return index


def flat(frozen: list[list[bytes]]) -> list[bytes]:
    return [key for chunk in frozen for key in chunk]


small = st.binary(max_size=2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(small, unique=True), small, small)
def test_a_range_is_half_open_and_an_empty_end_is_no_bound(keys: list[bytes], start: bytes, end: bytes) -> None:
    index = filled(keys)
    expected = sorted(key for key in keys if start <= key and (not end or key < end))

    assert list(index.ascending(start, end)) == expected
    assert list(index.descending(start, end)) == expected[::-1]
    assert index.count(start, end) == len(expected)


def test_many_keys_in_any_order_stay_a_sorted_set() -> None:
    rng = Random(1)
    index, model = KeyIndex(), set[bytes]()
    for step in range(30_000):
        key = b"%d" % rng.randrange(20_000)
        if key not in model:
            model.add(key)
            index.add(key)
        elif rng.random() < 0.4:
            model.remove(key)
            index.remove(key)
        if step % 3_000 == 0:
            low, high = sorted((b"%d" % rng.randrange(20_000), b"%d" % rng.randrange(20_000)))
            expected = sorted(key for key in model if low <= key < high)
            assert list(index.ascending(low, high)) == expected
            assert list(index.descending(low, high)) == expected[::-1]
            assert index.count(low, high) == len(expected)

    assert list(index.ascending(b"", b"")) == sorted(model)
    assert len(index) == len(model)
    for key in sorted(model):
        index.remove(key)
    assert list(index.ascending(b"", b"")) == []
    assert index.freeze() == []


def test_lists_stay_short_and_keys_in_order_fill_them() -> None:
    ordered = filled([b"%06d" % number for number in range(5 * CHUNK_KEYS_MAX)])
    backwards = filled([b"%06d" % number for number in reversed(range(5 * CHUNK_KEYS_MAX))])

    assert [len(chunk) for chunk in ordered.freeze()] == [CHUNK_KEYS_MAX] * 5
    assert max(len(chunk) for chunk in backwards.freeze()) <= CHUNK_KEYS_MAX
    assert flat(ordered.freeze()) == flat(backwards.freeze())


def test_a_frozen_index_does_not_change() -> None:
    rng = Random(2)
    keys = [b"%d" % number for number in range(6_000)]
    rng.shuffle(keys)
    index = filled(keys[:3_000])
    views = []
    for at in range(3_000, 6_000):
        if at % 500 == 0:
            views.append((index.freeze(), sorted(keys[at - 3_000 : at])))
        index.add(keys[at])
        index.remove(keys[at - 3_000])

    for frozen, expected in views:
        assert flat(frozen) == expected
    assert list(index.ascending(b"", b"")) == sorted(keys[3_000:])


def test_sorted_keys_are_appended_as_a_snapshot_brings_them() -> None:
    keys = [b"%06d" % number for number in range(3_000)]
    index = KeyIndex()
    for start in range(0, 3_000, 700):
        index.extend(keys[start : start + 700])
    index.extend([])
    index.add(b"000000+")

    assert list(index.ascending(b"", b"")) == sorted([*keys, b"000000+"])
    assert len(index) == 3_001
