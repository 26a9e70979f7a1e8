"""The log in memory: positions, truncation against writes in flight, compaction with a margin."""

import pytest

from quorate.protocols.core import Entry
from quorate.protocols.log import HEADER_SIZE, Log, pack, unpack


def entries(first: int, *terms: int, size: int = 1) -> list[Entry]:
    return [Entry(index, term, 0, 0, b"x" * size) for index, term in enumerate(terms, first)]


def log_of(*terms: int, base: int = 0, base_term: int = 0) -> Log:
    return Log(base, base_term, entries(base + 1, *terms))


def test_terms_are_known_from_the_base_to_the_last_entry_only() -> None:
    log = log_of(3, 3, 4, base=10, base_term=2)

    assert [None, 2, 3, 3, 4, None] == [log.term_at(index) for index in range(9, 15)]
    assert (11, 13, 4) == (log.first, log.last, log.last_term)


def test_a_recovered_log_is_durable_and_a_new_entry_is_not() -> None:
    log = log_of(1, 1)
    log.add(1, 7, 0, b"new")

    assert (2, 3) == (log.durable, log.last)
    assert [3] == [entry.index for entry in log.unwritten()]


def test_an_entry_is_durable_when_its_batch_is_synced() -> None:
    log = Log()
    log.extend(entries(1, 1, 1))
    log.mark_written(5)
    log.add(1, 0, 0, b"")
    log.mark_written(6)

    assert log.synced(5)
    assert 2 == log.durable
    assert not log.synced(5)
    assert log.synced(9)
    assert 3 == log.durable


def test_a_sync_of_a_batch_that_was_overwritten_vouches_for_nothing() -> None:
    """1. Entries 1-4 of term 1 are being written. 2. They are truncated to 1. 3. Others take their place. 4. The first sync ends."""
    log = Log()
    log.extend(entries(1, 1, 1, 1, 1))
    log.mark_written(1)
    log.truncate(1)
    log.extend(entries(2, 2, 2))
    log.mark_written(2)

    log.synced(1)
    assert 1 == log.durable
    log.synced(2)
    assert 3 == log.durable


def test_truncation_below_what_is_durable_takes_that_back() -> None:
    log = log_of(1, 1, 2)

    assert [2, 3] == [entry.index for entry in log.truncate(1)]
    assert (1, 1, 1) == (log.durable, log.written, log.last)


def test_entries_must_follow_the_last_one_and_terms_never_fall() -> None:
    with pytest.raises(AssertionError):
        log_of(1).extend(entries(3, 1))
    with pytest.raises(AssertionError):
        log_of(2).extend(entries(2, 1))


def test_a_slice_by_bytes_holds_at_least_one_entry() -> None:
    log = Log(0, 0, entries(1, 1, 1, 1, 1, size=10))
    one = HEADER_SIZE + 10

    assert [1] == [entry.index for entry in log.slice_bytes(1, 1)]
    assert [2, 3] == [entry.index for entry in log.slice_bytes(2, 2 * one)]
    assert [2, 3] == [entry.index for entry in log.slice_bytes(2, 3 * one - 1)]
    assert [1, 2, 3, 4] == [entry.index for entry in log.slice_bytes(1, 100 * one)]
    assert [4] == [entry.index for entry in log.slice_bytes(4, 100 * one)]


def test_compaction_drops_the_beginning_and_keeps_positions() -> None:
    log = log_of(1, 1, 2, 3)
    log.compact(3)

    assert (4, 4, 3, 2) == (log.first, log.last, log.last_term, log.base_term)
    assert log.term_at(2) is None
    assert 2 == log.term_at(3)


def test_only_what_is_durable_may_be_dropped() -> None:
    log = log_of(1)
    log.add(1, 0, 0, b"")

    with pytest.raises(AssertionError):
        log.compact(2)


def test_the_margin_ends_at_its_entries_or_at_its_bytes_whichever_is_less() -> None:
    log = Log(0, 0, entries(1, *[1] * 100, size=100 - HEADER_SIZE))

    assert 70 == log.keep_from(80, 10, 1 << 20)
    assert 77 == log.keep_from(80, 10, 300)
    assert 80 == log.keep_from(80, 0, 1 << 20)
    assert 0 == log.keep_from(80, 1000, 1 << 20)


def test_a_reset_forgets_batches_in_flight() -> None:
    log = log_of(1, 1)
    log.add(1, 0, 0, b"")
    log.mark_written(4)
    log.reset(50, 7)

    assert not log.synced(4)
    assert (51, 50, 50, 7) == (log.first, log.last, log.durable, log.last_term)


def test_a_term_is_found_by_its_first_and_last_index() -> None:
    log = log_of(2, 2, 4, 4, 4, 6, base=10, base_term=2)

    assert 11 == log.first_of_term(12)
    assert 13 == log.first_of_term(15)
    assert 15 == log.last_of_term(4, 16)
    assert 14 == log.last_of_term(4, 14)
    assert log.last_of_term(3, 16) is None
    assert log.last_of_term(5, 16) is None
    assert 12 == log.last_of_term(2, 16)
    assert 10 == log_of(5, base=10, base_term=2).last_of_term(2, 11)
    assert log_of(5, base=10, base_term=2).last_of_term(1, 11) is None


def test_a_blob_gives_back_its_entries_and_a_cut_one_is_refused() -> None:
    batch = [Entry(7, 3, 99, 0, b"data"), Entry(8, 3, 0, 1, b"")]
    blob = pack(batch)

    assert batch == unpack(blob)
    for cut in (1, HEADER_SIZE - 1, HEADER_SIZE + 2, len(blob) - 1):
        with pytest.raises(ValueError):
            unpack(blob[:cut])
