"""Multi-Paxos's votes on the real log: slots out of order, gaps, and a later vote in the place of an earlier one."""

from pathlib import Path
from random import Random

from quorate.protocols.core import Configuration, Effects, Entry, Kind, Member
from quorate.protocols.multipaxos import MultiPaxosOptions, Promised, multipaxos
from tests.cluster.storage.world import JournalWorld
from tests.contracts.storage import nobody


def vote(slot: int, ballot: int, data: bytes) -> Entry:
    return Entry(slot, ballot, 0, Kind.COMMAND, data)


def after_a_crash(path: Path, *batches: Effects) -> tuple[JournalWorld, list[tuple[int, int, bytes]]]:
    """Each batch written and synced, then the process dies; what is there then."""
    world = JournalWorld(str(path))
    for batch in batches:
        world.storage("g").write(batch, nobody)
        world.settle()
    world.crash()
    return world, [(entry.index, entry.term, entry.data) for entry in world.storage("g").load().entries]


def test_a_later_vote_replaces_the_earlier_and_nothing_above_it(tmp_path: Path) -> None:
    first = Effects(1, entries=[vote(1, 5, b"a"), vote(2, 5, b"b"), vote(3, 5, b"c")])
    later = Effects(2, entries=[vote(2, 9, b"B")])
    _, found = after_a_crash(tmp_path, first, later)

    assert [(1, 5, b"a"), (2, 9, b"B"), (3, 5, b"c")] == found


def test_slots_out_of_order_and_with_gaps_are_found_again(tmp_path: Path) -> None:
    _, found = after_a_crash(
        tmp_path,
        Effects(1, entries=[vote(1, 5, b"a"), vote(4, 5, b"d"), vote(7, 5, b"g")]),
        Effects(2, entries=[vote(3, 5, b"c")]),
    )

    assert [1, 3, 4, 7] == [slot for slot, _, _ in found]


def test_an_idle_groups_votes_are_written_anew_with_all_that_counts(tmp_path: Path) -> None:
    """1. Slots 1 to 4 stand in one segment. 2. Slot 2 is voted for again, in a later segment, which holds nothing higher. 3. Others
    write, and the idle group's votes are gathered into the newest segment: those above slot 2 are still votes."""
    world = JournalWorld(str(tmp_path))
    world.storage("idle").write(Effects(1, entries=[vote(slot, 5, b"first") for slot in range(1, 5)]), nobody)
    for serial in range(1, 6):
        world.storage("busy").write(Effects(serial, entries=[vote(serial, 5, bytes(1_000))]), nobody)
        world.settle()
    world.storage("idle").write(Effects(2, entries=[vote(2, 9, b"again")]), nobody)
    for serial in range(6, 40):
        world.storage("busy").write(Effects(serial, entries=[vote(serial, 5, bytes(1_000))]), nobody)
        world.settle()
    rewritten = world.journal.counters.rewritten_count
    world.crash()

    assert rewritten
    assert [(1, b"first"), (2, b"again"), (3, b"first"), (4, b"first")] == [
        (entry.index, entry.data) for entry in world.storage("idle").load().entries
    ]


def test_a_core_made_from_the_log_reports_every_vote_and_knows_what_is_chosen(tmp_path: Path) -> None:
    world, _ = after_a_crash(
        tmp_path,
        Effects(1, promise=Promised(257, 0, 0), entries=[vote(1, 257, b"a"), vote(3, 257, b"c")]),
        Effects(2, promise=Promised(258, 1, 0), entries=[vote(3, 258, b"C")]),
    )
    world.crash()
    recovered = world.storage("g").load()
    members = Configuration((Member("n1", 1), Member("n2", 2), Member("n3", 3)))
    core = multipaxos("n1", members, MultiPaxosOptions(), Random(1), 2, recovered.promise, recovered.snapshot, recovered.entries)

    assert (258, 1, 1, 3) == (core.state.ballot, core.state.commit, core.state.log.filled, core.state.log.last)
    entry = core.state.log.get(3)
    assert entry is not None
    assert (258, b"C") == (entry.term, entry.data)
