"""History: whole revisions, in order, from any that is kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.cluster.service.history import SEGMENT_BYTES, SEGMENT_EVENTS, Event, History, event_size
from quorate.cluster.service.limits import HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX


def record(history: History, *events: Event) -> None:
    """As the store does it: one revision, then sealed if full."""
    history.tail += events
    history.tail_bytes += sum(map(event_size, events))
    if len(history.tail) >= SEGMENT_EVENTS or history.tail_bytes >= SEGMENT_BYTES:
        history.seal()


def filled(sizes: list[int]) -> tuple[History, list[Event]]:
    """A history whose revision n has sizes[n - 1] events."""
    history, all_events = History(), []
    for revision, size in enumerate(sizes, start=1):
        events: list[Event] = [(revision, b"k%d" % number, b"%d" % revision, b"%d" % (revision - 1)) for number in range(size)]
        record(history, *events)
        all_events += events
    return history, all_events


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([1, 1, 2, 300, 1_500]), max_size=30), st.integers(0, 31), st.integers(0, 31))
def test_what_follows_a_revision_is_all_of_it_and_no_more(sizes: list[int], since: int, compacted: int) -> None:
    history, events = filled(sizes)
    history.compact(min(compacted, len(sizes)))
    since = max(since, history.compacted)

    later = [event for event in events if event[0] > since]
    assert list(history.since(since)) == later
    for start, end in ((b"", b""), (b"k1", b""), (b"k1", b"k2")):
        then: dict[bytes, bytes | None] = {}
        for _, key, _, previous in later:
            if start <= key and (not end or key < end):
                then.setdefault(key, previous)
        assert history.before(start, end, since) == then


def test_compaction_drops_what_is_old_and_keeps_the_rest() -> None:
    history, events = filled([1] * 5_000)
    history.compact(4_000)

    assert history.compacted == 4_000
    assert list(history.since(4_000)) == events[4_000:]
    assert history.event_count <= 1_000 + SEGMENT_EVENTS
    assert history.byte_count == sum(map(event_size, events[-history.event_count :]))


def test_the_bounds_drop_whole_revisions_from_the_oldest_on() -> None:
    history, events = filled([1_500] * 80)

    assert HISTORY_EVENTS_MAX - 3_000 < history.event_count <= HISTORY_EVENTS_MAX
    assert history.compacted == 80 - history.event_count // 1_500
    assert list(history.since(history.compacted)) == events[-history.event_count :]


def test_one_revision_larger_than_the_bound_is_not_kept() -> None:
    history = History()
    record(history, (1, b"k", b"small", None))
    record(history, *((2, b"k%d" % number, b"x" * 1_000_000, None) for number in range(HISTORY_BYTES_MAX // 1_000_000 + 1)))

    assert history.compacted == 2
    assert history.event_count == 0
    assert history.byte_count == 0


def test_reading_below_what_is_kept_is_a_mistake_of_the_caller() -> None:
    history, _ = filled([1] * 10)
    history.compact(5)

    with pytest.raises(AssertionError):
        list(history.since(4))


def test_a_frozen_history_does_not_change_and_loads_as_it_was() -> None:
    history, events = filled([700] * 10)
    frozen = history.freeze()
    record(history, (11, b"later", None, None))
    loaded = History(history.compacted)
    for segment in frozen:
        loaded.load(segment, last=segment is frozen[-1])

    assert list(loaded.since(0)) == events
    assert (loaded.event_count, loaded.byte_count) == (len(events), sum(map(event_size, events)))
    record(loaded, (11, b"later", None, None))
    assert loaded.freeze() == history.freeze()
