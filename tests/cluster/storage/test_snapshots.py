"""Snapshots: never half, never early removed, verified when read, gone on with after a break."""

from collections.abc import Callable
from dataclasses import replace
from errno import EIO
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.storage.errors import DamagedSnapshot, NewerFormat
from quorate.cluster.storage.faulty import Crash, Faults, FaultyFiles
from quorate.cluster.storage.files import Files, RealFiles
from quorate.cluster.storage.snapshots import KEEP_COUNT, SYNC_BYTES, SnapshotStore
from quorate.protocols.core import Snapshot
from tests.contracts.storage import CONFIGURATION

CHUNKS = (b"first " * 100, b"", b"second" * 300, b"3")
WHOLE = b"".join(CHUNKS)


def at_once(work: Callable[[], None]) -> None:
    work()


def store(directory: Path, files: Files | None = None, marked: Callable[[], Snapshot | None] | None = None) -> SnapshotStore:
    return SnapshotStore(directory / "snapshots" / "g", files=files, marked=marked, beside=at_once)


def faulty(directory: Path) -> FaultyFiles:
    (directory / "snapshots").mkdir(parents=True)
    return FaultyFiles(RealFiles(), sync_below=False)


def take(snapshots: SnapshotStore, index: int, chunks: tuple[bytes, ...] = CHUNKS) -> Snapshot:
    with snapshots.create(index, 2, CONFIGURATION) as writing:
        for chunk in chunks:
            writing.write(chunk)
        return writing.finish()


def names(snapshots: SnapshotStore) -> list[str]:
    return snapshots.files.list(snapshots.directory)


def path_of(snapshots: SnapshotStore, snapshot: Snapshot) -> str:
    return f"{snapshots.directory}/{snapshot.id}.snapshot"


@pytest.fixture
def snapshots(tmp_path: Path) -> SnapshotStore:
    (tmp_path / "snapshots").mkdir()
    return store(tmp_path)


def test_what_was_written_is_read_and_listed(snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7)

    assert (7, 2, CONFIGURATION, len(WHOLE)) == (taken.index, taken.term, taken.configuration, taken.size)
    assert WHOLE == b"".join(snapshots.read(taken))
    assert [taken] == snapshots.list()


def test_an_empty_state_is_a_snapshot_too(snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7, ())

    assert 0 == taken.size
    assert b"" == b"".join(snapshots.read(taken))


def test_two_snapshots_of_one_index_are_two(snapshots: SnapshotStore) -> None:
    assert take(snapshots, 7).id != take(snapshots, 7).id


def test_one_that_was_not_finished_leaves_nothing(snapshots: SnapshotStore) -> None:
    with pytest.raises(KeyError), snapshots.create(7, 2, CONFIGURATION) as writing:
        writing.write(b"half")
        raise KeyError("the machine cannot be encoded")

    assert [] == names(snapshots)


def test_what_a_crash_left_half_written_is_removed_at_start(tmp_path: Path, snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7)
    snapshots.create(8, 2, CONFIGURATION).write(b"half")
    again = store(tmp_path)

    assert [f"{taken.id}.snapshot"] == names(again)


def test_chunks_for_a_peer_add_up_to_the_whole(snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7)
    chunks = [snapshots.read_chunk(taken, offset, 1000) for offset in range(0, taken.size, 1000)]

    assert WHOLE == b"".join(chunks)
    assert b"" == snapshots.read_chunk(taken, taken.size, 1000)
    assert b"" == snapshots.read_chunk(taken, taken.size + 5, 1000)


def test_one_that_is_being_sent_stays_readable_when_newer_ones_replace_it(snapshots: SnapshotStore) -> None:
    old = take(snapshots, 7)
    begun = snapshots.read_chunk(old, 0, 10)
    for index in range(8, 12):
        take(snapshots, index)

    assert old not in snapshots.list()
    assert WHOLE == begun + snapshots.read_chunk(old, 10, old.size)


def test_without_a_log_to_ask_the_newest_few_are_kept(snapshots: SnapshotStore) -> None:
    taken = [take(snapshots, index) for index in range(1, 10)]

    assert taken[-KEEP_COUNT:] == snapshots.list()


def test_the_one_that_the_log_begins_after_and_newer_ones_are_kept(tmp_path: Path) -> None:
    (tmp_path / "snapshots").mkdir()
    marks: list[Snapshot | None] = [None]
    snapshots = store(tmp_path, marked=lambda: marks[0])
    first = [take(snapshots, index) for index in range(1, 6)]
    all_kept = snapshots.list()
    marks[0] = first[3]
    last = take(snapshots, 6)

    assert first == all_kept
    assert [first[3], first[4], last] == snapshots.list()


def test_a_flipped_bit_anywhere_is_refused_naming_the_file_and_the_remedy(tmp_path: Path) -> None:
    files = faulty(tmp_path)
    snapshots = store(tmp_path, files)
    taken = take(snapshots, 7)
    path = path_of(snapshots, taken)
    for offset in range(0, Path(path).stat().st_size, 3):
        files.flip(path, offset, offset % 8)
        with pytest.raises((DamagedSnapshot, NewerFormat), match=path) as caught:
            next(snapshots.read(taken))
        assert isinstance(caught.value, NewerFormat) or "quorate member replace" in str(caught.value)
        files.flip(path, offset, offset % 8)

    assert WHOLE == b"".join(snapshots.read(taken))


@pytest.mark.parametrize("size", [0, 10, 1000, 2400])
def test_a_cut_file_is_refused(snapshots: SnapshotStore, size: int) -> None:
    taken = take(snapshots, 7)
    data = Path(path_of(snapshots, taken)).read_bytes()
    Path(path_of(snapshots, taken)).write_bytes(data[:size])

    with pytest.raises(DamagedSnapshot):
        next(snapshots.read(taken))
    assert [] == snapshots.list()
    assert 8 == take(snapshots, 8).index  # a damaged one does not stop new ones


def test_a_missing_file_is_refused(snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7)
    Path(path_of(snapshots, taken)).unlink()

    with pytest.raises(DamagedSnapshot, match="missing"):
        next(snapshots.read(taken))


def test_another_snapshot_under_the_same_name_is_refused(snapshots: SnapshotStore) -> None:
    taken = take(snapshots, 7)

    with pytest.raises(DamagedSnapshot, match="the log expects"):
        next(snapshots.read(replace(taken, index=8)))


def test_an_id_of_a_peer_never_leaves_the_directory(snapshots: SnapshotStore) -> None:
    for identity in ("../../etc/passwd", "a/b", "", "A", "x" * 100, "."):
        with pytest.raises(DamagedSnapshot, match="no snapshot id"):
            snapshots.receive(Snapshot(identity, 1, 1, CONFIGURATION))


# Receiving.


def offered(tmp_path: Path) -> Snapshot:
    (tmp_path / "peer" / "snapshots").mkdir(parents=True)
    return take(store(tmp_path / "peer"), 9)


def test_a_received_snapshot_is_whole_and_kept_under_the_senders_name(tmp_path: Path, snapshots: SnapshotStore) -> None:
    snapshot = offered(tmp_path)
    receiving = snapshots.receive(snapshot)
    for chunk in CHUNKS:
        receiving.write(chunk)

    assert snapshot == receiving.finish()
    assert [snapshot] == snapshots.list()
    assert WHOLE == b"".join(snapshots.read(snapshot))


def test_a_broken_transfer_goes_on_where_it_was_also_after_a_restart(tmp_path: Path, snapshots: SnapshotStore) -> None:
    snapshot = offered(tmp_path)
    receiving = snapshots.receive(snapshot)
    receiving.write(WHOLE[:1000])
    receiving.close()
    again = store(tmp_path).receive(snapshot)
    offset = again.offset
    again.write(WHOLE[offset:])

    assert 1000 == offset
    assert snapshot == again.finish()


def test_the_beginning_of_another_snapshot_is_thrown_away(tmp_path: Path, snapshots: SnapshotStore) -> None:
    snapshot = offered(tmp_path)
    snapshots.receive(replace(snapshot, id="8-1-abc")).write(b"other")
    receiving = snapshots.receive(snapshot)

    assert 0 == receiving.offset
    assert [f"{snapshot.id}.receiving"] == names(snapshots)


def test_bytes_that_are_not_what_was_offered_are_thrown_away(tmp_path: Path, snapshots: SnapshotStore) -> None:
    snapshot = offered(tmp_path)
    receiving = snapshots.receive(snapshot)
    receiving.write(b"x" + WHOLE[1:])

    with pytest.raises(DamagedSnapshot, match="checksum"):
        receiving.finish()
    assert [] == names(snapshots)
    assert 0 == snapshots.receive(snapshot).offset


def test_more_than_was_offered_is_refused(tmp_path: Path, snapshots: SnapshotStore) -> None:
    receiving = snapshots.receive(offered(tmp_path))

    with pytest.raises(ValueError, match="has 2401 bytes"):
        receiving.write(WHOLE + b"x")


# Crashes and faults.


def life(directory: Path, crash_at: int | None, faults: Faults | None = None, seed: int | None = None) -> int:
    """Take two snapshots and receive a third, crash at a step, start again: what was finished is whole, the old one first."""
    files = faulty(directory)
    files.faults = faults or Faults()
    files.crash_at = crash_at
    finished: list[Snapshot] = []
    content = {10: CHUNKS, 20: (b"another" * 100,)}
    third = offered(directory)
    try:
        snapshots = store(directory, files, marked=lambda: finished[-1] if finished else None)
        for index, chunks in content.items():
            finished.append(take(snapshots, index, chunks))
        receiving = snapshots.receive(replace(third, index=30))
        receiving.write(WHOLE[:500])
        receiving.write(WHOLE[500:])
        finished.append(receiving.finish())
    except Crash:
        pass
    steps = files.step_count
    files.crash(None if seed is None else Random(seed + steps))
    again = store(directory, files)
    listed = again.list()
    if finished:
        assert finished[-1] in listed, (finished, listed)
    for snapshot in listed:
        assert b"".join(content.get(snapshot.index, CHUNKS)) == b"".join(again.read(snapshot))
    assert not [name for name in names(again) if name.endswith(".partial")]
    receiving = again.receive(replace(third, index=30))
    receiving.write(WHOLE[receiving.offset :])
    try:
        receiving.finish()
    except DamagedSnapshot:
        # The crash tore what had come; from the beginning then.
        receiving = again.receive(replace(third, index=30))
        receiving.write(WHOLE)
        receiving.finish()
    return steps


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_crash_at_any_step_leaves_the_old_or_the_new_one_whole(tmp_path: Path, seed: int | None) -> None:
    steps = life(tmp_path / "whole", None)
    for crash_at in range(steps):
        life(tmp_path / f"{crash_at}", crash_at, seed=seed)

    assert steps > 15


def test_without_fsync_the_same_crashes_lose_finished_snapshots(tmp_path: Path) -> None:
    steps = life(tmp_path / "whole", None)
    lost = 0
    for crash_at in range(steps):
        try:
            life(tmp_path / f"{crash_at}", crash_at, Faults(skip_sync=True))
        except AssertionError:
            lost += 1

    assert lost > steps // 3


def test_an_early_sync_that_failed_fails_the_snapshot(tmp_path: Path) -> None:
    files = faulty(tmp_path)
    snapshots = store(tmp_path, files)
    with pytest.raises(OSError), snapshots.create(7, 2, CONFIGURATION) as writing:
        files.faults.fail_sync = EIO
        writing.write(bytes(SYNC_BYTES))
        files.faults.fail_sync = None
        writing.finish()

    assert [] == names(snapshots)


def test_a_large_snapshot_is_synced_beside_while_it_is_written(tmp_path: Path, snapshots: SnapshotStore) -> None:
    threaded = SnapshotStore(tmp_path / "snapshots" / "large")
    with threaded.create(7, 2, CONFIGURATION) as writing:
        for _ in range(40):
            writing.write(bytes(SYNC_BYTES // 8))
        taken = writing.finish()

    assert 5 * SYNC_BYTES == taken.size == sum(map(len, threaded.read(taken)))
