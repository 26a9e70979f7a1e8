"""What recovery makes of logs that are torn, damaged, cut, or written over older ones."""

from pathlib import Path
from random import Random

import pytest

from quorate.cluster.storage.errors import DamagedLog, NewerFormat
from quorate.cluster.storage.faulty import FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.storage.journal import Journal, JournalOptions
from quorate.cluster.storage.segments import HEADER_BYTES, SegmentHeader
from quorate.cluster.storage.wal import MARKER, LogPosition
from quorate.protocols.core import Entry
from tests.cluster.storage.world import HandLoop, JournalWorld
from tests.contracts.storage import Promised, batch, entry, snapshot

KEEP_ALL = JournalOptions(segment_bytes=4096, segments_max=1000, threads=False)


def filled(directory: Path, count: int = 40, size: int = 300) -> tuple[JournalWorld, FaultyFiles]:
    """One batch per entry, over several segments."""
    files = FaultyFiles(RealFiles(), sync_below=False)
    world = JournalWorld(str(directory), files, KEEP_ALL)
    for index in range(1, count + 1):
        world.storage("g").write(batch(index, entry(index, 1, bytes([index]) * size)), lambda serial: None)
        world.settle()
    return world, files


def segment(world: JournalWorld, number: int) -> str:
    return f"{world.directory}/segment-{number:010d}.wal"


def reopened(world: JournalWorld, clean: LogPosition | None = None) -> tuple[Journal, list[Entry]]:
    journal = Journal.open(world.directory, HandLoop(), fresh=False, clean=clean, files=world.files, options=world.options)
    return journal, journal.group("g").load().entries


def tear(world: JournalWorld, files: FaultyFiles, index: int, keep: int) -> LogPosition:
    """Write one more batch of which only the first `keep` bytes reach the disk; the position before it."""
    position = world.journal.close()
    assert position is not None
    world.start()
    before = Path(segment(world, position.segment)).read_bytes()
    world.storage("g").write(batch(1, entry(index, 1, b"torn" * 200)), lambda serial: None)
    world.settle()
    files.crash()
    path = Path(segment(world, position.segment))
    after = path.read_bytes()
    cut = position.offset + keep
    path.write_bytes(after[:cut] + before[cut:])
    return position


@pytest.mark.parametrize("keep", [28, 100, 700])
def test_a_torn_tail_is_cut_and_told_once(tmp_path: Path, keep: int) -> None:
    world, files = filled(tmp_path, 10)
    position = tear(world, files, 11, keep)
    journal, entries = reopened(world)
    torn = journal.recovery.torn
    journal.close()
    again, _ = reopened(world)

    assert torn is not None
    assert (segment(world, position.segment), position.offset, position.sequence + 1) == (torn.path, torn.offset, torn.sequence)
    assert 10 == len(entries)
    assert position == journal.recovery.position
    assert again.recovery.torn is None


def test_after_a_clean_shutdown_nothing_can_be_torn(tmp_path: Path) -> None:
    world, files = filled(tmp_path, 10)
    position = world.journal.close()
    assert position is not None
    path = segment(world, position.segment)
    files.flip(path, position.offset - 100)

    assert 9 == len(reopened(world)[1])  # without the mark it looks like a torn tail ...
    with pytest.raises(DamagedLog, match="a clean shutdown noted 10") as caught:
        reopened(world, position)  # ... with it, it is damage
    assert path == caught.value.path


def test_a_flipped_bit_before_the_last_batch_is_refused_naming_file_offset_and_remedy(tmp_path: Path) -> None:
    world, files = filled(tmp_path, 8)
    path = segment(world, 1)
    data = Path(path).read_bytes()
    third = data.index(MARKER, data.index(MARKER, data.index(MARKER) + 1) + 1)
    files.flip(path, third + 60)

    with pytest.raises(DamagedLog) as caught:
        reopened(world)
    assert (path, third) == (caught.value.path, caught.value.offset)
    assert path in str(caught.value)
    assert str(third) in str(caught.value)
    assert "quorate member replace" in str(caught.value)


def test_a_flipped_bit_anywhere_is_harmless_or_refused_or_costs_the_last_batch_only(tmp_path: Path) -> None:
    world, files = filled(tmp_path)
    position = world.journal.close()
    assert position is not None
    outcomes = {"harmless": 0, "refused": 0, "last batch": 0}
    for number in range(1, position.segment + 1):
        path = segment(world, number)
        for offset in range(0, Path(path).stat().st_size, 23):
            files.flip(path, offset, offset % 8)
            whole = Path(path).read_bytes()
            try:
                journal, entries = reopened(world)
                if len(entries) == 40:
                    outcomes["harmless"] += 1
                else:
                    outcomes["last batch"] += 1
                    assert 39 == len(entries)
                    assert (number, journal.recovery.position.offset) == (
                        position.segment,
                        max(HEADER_BYTES, journal.recovery.position.offset),
                    )
                    assert journal.recovery.position.offset <= offset < position.offset
                    Path(path).write_bytes(whole)  # undo the cut
                assert entries == [entry(index, 1, bytes([index]) * 300) for index in range(1, len(entries) + 1)]
            except DamagedLog as damage:
                outcomes["refused"] += 1
                assert damage.path in (path, segment(world, number + 1))
            except NewerFormat:
                assert 8 <= offset < 12
            files.flip(path, offset, offset % 8)

    assert outcomes["refused"] > 400
    assert outcomes["last batch"] > 10
    assert outcomes["harmless"] > 25


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_missing_segment_is_refused(tmp_path: Path, lost: int) -> None:
    world, _ = filled(tmp_path)
    assert world.journal.segment_count > 3
    Path(segment(world, lost)).unlink()

    with pytest.raises(DamagedLog, match="missing") as caught:
        reopened(world)
    assert segment(world, lost) == caught.value.path


def test_a_log_without_segments_is_refused_unless_it_is_new(tmp_path: Path) -> None:
    with pytest.raises(DamagedLog, match="the log is gone"):
        Journal.open(str(tmp_path / "wal"), HandLoop(), fresh=False, options=KEEP_ALL)


def test_segments_of_another_log_are_refused(tmp_path: Path) -> None:
    world, _ = filled(tmp_path / "one")
    other, _ = filled(tmp_path / "two")
    Path(segment(world, 2)).write_bytes(Path(segment(other, 2)).read_bytes())

    with pytest.raises(DamagedLog, match="another log") as caught:
        reopened(world)
    assert segment(world, 2) == caught.value.path


def test_exchanged_segments_are_refused(tmp_path: Path) -> None:
    world, _ = filled(tmp_path)
    Path(segment(world, 2)).rename(tmp_path / "aside")
    Path(segment(world, 3)).rename(segment(world, 2))
    (tmp_path / "aside").rename(segment(world, 3))

    with pytest.raises(DamagedLog, match="says that it is segment 3"):
        reopened(world)


def test_a_segment_of_a_newer_format_is_refused_naming_both(tmp_path: Path) -> None:
    world, files = filled(tmp_path)
    files.flip(segment(world, 2), 8, 1)

    with pytest.raises(NewerFormat, match=r"format version 3, this program knows up to 1"):
        reopened(world)


def recycled(directory: Path) -> tuple[JournalWorld, FaultyFiles, int]:
    """A log whose last segment is a recycled one, with stale batches behind its end; the number of entries."""
    files = FaultyFiles(RealFiles(), sync_below=False)
    world = JournalWorld(str(directory), files)
    index = 0
    while world.journal.counters.released_count < 3 or stale_batches(world) < 3:
        index += 1
        mark = snapshot(index - 1) if index > 1 else None
        world.storage("g").write(batch(index, entry(index, 1, b"x" * 500), snapshot=mark), lambda serial: None)
        world.settle()
    return world, files, index


def stale_batches(world: JournalWorld) -> int:
    position = world.journal.position
    return Path(segment(world, position.segment)).read_bytes().count(MARKER, position.offset)


def test_stale_batches_of_a_recycled_segment_are_neither_valid_nor_damage(tmp_path: Path) -> None:
    world, _, last = recycled(tmp_path)
    position = world.journal.position
    journal, entries = reopened(world)

    assert position == journal.recovery.position
    assert [last] == [each.index for each in entries]
    assert journal.recovery.torn is None


@pytest.mark.parametrize("keep", [0, 20, 28, 300])
def test_a_torn_tail_before_stale_batches_is_cut(tmp_path: Path, keep: int) -> None:
    world, files, last = recycled(tmp_path)
    position = tear(world, files, last + 1, keep)
    journal, entries = reopened(world)

    assert position == journal.recovery.position
    assert [last] == [each.index for each in entries]
    assert (keep >= 20) == (journal.recovery.torn is not None)


def test_a_batch_that_a_client_stored_as_a_value_is_not_taken_for_a_batch(tmp_path: Path) -> None:
    """The tail is torn, and the torn value holds whole batches of this very log."""
    world, files = filled(tmp_path, 5)
    position = world.journal.position
    image = Path(segment(world, 1)).read_bytes()[HEADER_BYTES : position.offset]
    world.storage("g").write(batch(6, entry(6, 1, bytes(4 - (len(image) + 2) % 4) + image)), lambda serial: None)
    world.settle()
    end = world.journal.position
    files.crash()
    files.flip(segment(world, end.segment), end.offset - len(image) - 1 if end.segment == 1 else HEADER_BYTES + 100)
    journal, entries = reopened(world)

    assert 5 == len(entries)
    assert journal.recovery.torn is not None


def test_the_chain_goes_on_over_a_restart_in_a_new_segment(tmp_path: Path) -> None:
    world, _ = filled(tmp_path, 3)
    for life in range(4, 30):
        world.start()
        world.storage("g").write(batch(1, entry(life, 1, b"x" * 900), promise=Promised(life, None)), lambda serial: None)
        world.settle()
    _, entries = reopened(world)

    assert list(range(1, 30)) == [each.index for each in entries]


def test_a_header_comes_back_as_it_was() -> None:
    header = SegmentHeader(Random(1).getrandbits(64), 3, 1 << 40, 0xFFFFFFFF)

    assert header == SegmentHeader.decode(header.encode(), "here")
