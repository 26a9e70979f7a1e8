"""Votes by slot: gaps, replacement, what is durable; and what a value is, whatever ballot it was voted for in."""

import pytest

from quorate.protocols.core import Entry, Kind, Member, born, original, proposed_again
from quorate.protocols.core.values import Configuration
from quorate.protocols.multipaxos.slots import Slots


def vote(slot: int, ballot: int, data: bytes = b"x") -> Entry:
    return Entry(slot, ballot, 7, Kind.COMMAND, data)


def written(slots: Slots, serial: int) -> None:
    slots.mark_written(serial, slots.unwritten())


def test_votes_come_in_any_order_and_leave_gaps() -> None:
    slots = Slots()
    for slot in (1, 4, 3):
        slots.vote(vote(slot, 5))
    before = (slots.filled, slots.last)
    slots.vote(vote(2, 5))

    assert (1, 4) == before
    assert (4, 4) == (slots.filled, slots.last)
    assert [1, 2, 3, 4] == [entry.index for entry in slots.unwritten()]


def test_a_later_vote_replaces_the_earlier_and_truncates_nothing() -> None:
    slots = Slots(0, 0, [vote(1, 5, b"a"), vote(2, 5, b"b"), vote(3, 5, b"c")])
    slots.vote(vote(2, 9, b"B"))

    assert [b"a", b"B", b"c"] == [entry.data for entry in slots.slice(1, 3)]
    assert [2] == [entry.index for entry in slots.unwritten()]
    assert 1 == slots.durable


def test_the_late_sync_of_a_replaced_vote_says_nothing_about_the_one_in_its_place() -> None:
    """1. Slot 1 is being written in ballot 5. 2. A vote in ballot 9 replaces it, and is being written. 3. The first sync ends."""
    slots = Slots()
    slots.vote(vote(1, 5))
    written(slots, 1)
    slots.vote(vote(1, 9))
    written(slots, 2)

    assert [5] == [entry.term for entry in slots.synced(1)]
    assert 0 == slots.durable
    assert [9] == [entry.term for entry in slots.synced(2)]
    assert 1 == slots.durable


def test_nothing_beyond_a_gap_counts_as_durable() -> None:
    slots = Slots()
    slots.vote(vote(1, 5))
    slots.vote(vote(3, 5))
    written(slots, 1)
    slots.synced(1)

    assert 1 == slots.durable


def test_a_snapshot_leaves_the_votes_above_it() -> None:
    """They are owed to whoever prepares next."""
    slots = Slots(0, 0, [vote(1, 5), vote(4, 5)])
    slots.reset(3, 5)

    assert (3, 4, 4) == (slots.base, slots.filled, slots.last)
    assert [None, 5, 5] == [slots.term_at(slot) for slot in (2, 3, 4)]


def test_a_margin_is_kept_below_a_snapshot() -> None:
    slots = Slots(0, 0, [vote(slot, 5) for slot in range(1, 11)])
    slots.compact(slots.keep_from(8, entries_max=3, bytes_max=1 << 20))

    assert (5, 6) == (slots.base, slots.first)
    assert 8 == slots.keep_from(8, entries_max=3, bytes_max=1)


def test_slots_know_which_of_them_hold_configurations() -> None:
    members = Configuration((Member("n1", 1),)).encode()
    slots = Slots()
    slots.vote(Entry(1, 5, 0, Kind.CONFIGURATION, members))
    slots.vote(proposed_again(Entry(2, 5, 0, Kind.CONFIGURATION, members), 9))
    before = set(slots.changes)
    slots.vote(vote(1, 9))

    assert {1, 2} == before
    assert {2} == slots.changes


@pytest.mark.parametrize("ballots", [(), (9,), (9, 12)], ids=["once", "twice", "three times"])
def test_a_value_stays_what_it_is_however_often_it_is_proposed_again(ballots: tuple[int, ...]) -> None:
    first = entry = Entry(3, 5, 77, Kind.CONFIGURATION, b"members")
    for ballot in ballots:
        entry = proposed_again(entry, ballot)

    assert first == original(entry)
    assert 5 == born(entry)
    assert (ballots or (5,))[-1] == entry.term
