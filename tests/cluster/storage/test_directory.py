"""The data directory: whose it is, which life this is, and what it refuses."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.storage.directory import DataDirectory
from quorate.cluster.storage.errors import DamagedDirectory, DamagedLog, DirectoryInUse, NewerFormat, StorageError, WrongDirectory
from quorate.cluster.storage.faulty import Crash, FaultyFiles
from quorate.cluster.storage.files import Files, RealFiles
from quorate.cluster.storage.journal import JournalOptions
from quorate.cluster.storage.snapshots import SnapshotStore
from quorate.protocols.core import INCARNATION_MAX, Kind
from tests.cluster.storage.world import HandLoop
from tests.contracts.storage import CONFIGURATION, Promised, batch, entry, nobody

OPTIONS = JournalOptions(segment_bytes=4096, threads=False)
FIXTURE = Path(__file__).parent / "fixtures" / "format-1"


def opened(path: Path, files: Files | None = None, *, cluster: str = "test", node: str = "n1", engine: str = "raft") -> DataDirectory:
    return DataDirectory.open(path, cluster=cluster, node=node, engine=engine, files=files or FaultyFiles(RealFiles(), sync_below=False))


def test_a_storage_id_is_made_once_and_incarnations_count_up(tmp_path: Path) -> None:
    lives: list[tuple[str, int]] = []
    for _ in range(3):
        with opened(tmp_path / "data") as directory:
            lives.append((directory.storage, directory.incarnation))
    with opened(tmp_path / "other") as other:
        pass

    assert [1, 2, 3] == [incarnation for _, incarnation in lives]
    assert 1 == len({storage for storage, _ in lives})
    assert 32 == len(lives[0][0])
    assert other.storage != lives[0][0]


def test_a_new_incarnation_can_be_drawn_while_running(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        drawn = directory.next_incarnation()
    with opened(tmp_path / "data") as again:
        assert (2, 3) == (drawn, again.incarnation)


def test_the_last_incarnation_is_refused_rather_than_wrapped(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        directory.incarnation = INCARNATION_MAX
        with pytest.raises(StorageError, match="is the last"):
            directory.next_incarnation()


def test_a_second_process_is_told_who_has_the_directory(tmp_path: Path) -> None:
    program = f"""
from quorate.cluster.storage.directory import DataDirectory
from quorate.cluster.storage.errors import DirectoryInUse
try:
    DataDirectory.open({str(tmp_path / "data")!r}, cluster="test", node="n1", engine="raft")
except DirectoryInUse as error:
    print(error)
"""
    with opened(tmp_path / "data"):
        said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        with pytest.raises(DirectoryInUse):
            opened(tmp_path / "data")
        pid = (tmp_path / "data" / "lock").read_text().strip()

    assert f"{tmp_path}/data is in use by process {pid}" in said
    opened(tmp_path / "data").close()


def test_a_directory_of_another_cluster_engine_or_node_is_refused_saying_whose_it_is(tmp_path: Path) -> None:
    opened(tmp_path / "data").close()
    with pytest.raises(WrongDirectory, match="belongs to cluster 'test', this node is configured for cluster 'production'"):
        opened(tmp_path / "data", cluster="production")
    with pytest.raises(WrongDirectory, match="belongs to engine 'raft'"):
        opened(tmp_path / "data", engine="zab")
    with pytest.raises(WrongDirectory, match="belongs to node 'n1'"):
        opened(tmp_path / "data", node="n2")


def test_a_newer_format_is_refused_naming_both(tmp_path: Path) -> None:
    opened(tmp_path / "data").close()
    path = tmp_path / "data" / "identity.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))

    with pytest.raises(NewerFormat, match=r"identity.json: format version 2, this program knows up to 1"):
        opened(tmp_path / "data")


@pytest.mark.parametrize("name", ["identity.json", "state.json", "bootstrap.json"])
def test_a_flipped_bit_never_makes_another_identity(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / "data") as directory:
        directory.record_bootstrap(CONFIGURATION)
    files = FaultyFiles(RealFiles(), sync_below=False)
    path = tmp_path / "data" / name
    good = path.read_bytes()
    for offset in range(0, len(good) - 1, 2):
        files.flip(str(path), offset, offset % 7)
        try:
            with opened(tmp_path / "data") as again:
                # Where JSON allows it, a flip may change the spelling but not what it says.
                assert (directory.storage, CONFIGURATION) == (again.storage, again.bootstrap)
                assert again.incarnation > directory.incarnation
        except (DamagedDirectory, NewerFormat) as error:
            assert str(path) in str(error)
        path.write_bytes(good)


@pytest.mark.parametrize("lost", ["identity.json", "state.json"])
def test_a_log_without_its_identity_is_refused(tmp_path: Path, lost: str) -> None:
    with opened(tmp_path / "data") as directory:
        directory.close_journal(directory.open_journal(HandLoop(), OPTIONS))
    (tmp_path / "data" / lost).unlink()

    with pytest.raises(DamagedDirectory, match="missing, though there is a log beside it"):
        opened(tmp_path / "data")


def test_the_bootstrap_is_recorded_once(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        before = directory.bootstrap
        directory.record_bootstrap(CONFIGURATION)
        directory.record_bootstrap(CONFIGURATION)
        with pytest.raises(WrongDirectory, match="bootstrapped before"):
            directory.record_bootstrap(CONFIGURATION.without("n1"))
    with opened(tmp_path / "data") as again:
        assert before is None
        assert CONFIGURATION == again.bootstrap


def test_a_clean_shutdown_holds_the_next_start_to_the_end_of_the_log(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        journal = directory.open_journal(HandLoop(), OPTIONS)
        journal.group("g").write(batch(1, entry(1, 1, b"x" * 100)), nobody)
        directory.close_journal(journal)
        end = journal.position
    FaultyFiles(RealFiles()).flip(str(tmp_path / "data" / "wal" / "segment-0000000001.wal"), end.offset - 50)

    with opened(tmp_path / "data") as directory, pytest.raises(DamagedLog, match="clean shutdown"):
        directory.open_journal(HandLoop(), OPTIONS)


def test_the_clean_mark_is_gone_before_the_log_is_written(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        directory.close_journal(directory.open_journal(HandLoop(), OPTIONS))
        marked = (tmp_path / "data" / "clean.json").exists()
        directory.open_journal(HandLoop(), OPTIONS)

        assert marked
        assert not (tmp_path / "data" / "clean.json").exists()


def test_a_failed_log_leaves_no_clean_mark(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    with opened(tmp_path / "data", files) as directory:
        journal = directory.open_journal(HandLoop(), OPTIONS)
        files.faults.fail_sync = 5
        journal.group("g").write(batch(1, entry(1)), nobody)
        journal.step()
        files.faults.fail_sync = None
        directory.close_journal(journal)

        assert not files.exists(str(tmp_path / "data" / "clean.json"))


def test_a_log_that_vanished_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as directory:
        directory.open_journal(HandLoop(), OPTIONS)
    shutil.rmtree(tmp_path / "data" / "wal")

    with opened(tmp_path / "data") as directory, pytest.raises(DamagedLog, match="the log is gone"):
        directory.open_journal(HandLoop(), OPTIONS)


def first_life(path: Path, files: FaultyFiles, seen: dict[str, object]) -> None:
    """All that a first start does to the directory; `seen` is what others may have been told."""
    with opened(path, files) as directory:
        seen["storage"], seen["incarnation"] = directory.storage, directory.incarnation
        journal = directory.open_journal(HandLoop(), OPTIONS)
        directory.record_bootstrap(CONFIGURATION)
        seen["bootstrap"] = CONFIGURATION
        journal.group("g").write(batch(1, promise=Promised(1, "n1")), lambda serial: seen.update(promise=Promised(1, "n1")))
        journal.step()
        directory.close_journal(journal)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_a_crash_at_any_step_of_the_first_life_forgets_nothing_that_others_were_told(tmp_path: Path, seed: int | None) -> None:
    files = FaultyFiles(RealFiles(), sync_below=False)
    first_life(tmp_path / "whole", files, {})
    for crash_at in range(files.step_count):
        broken = FaultyFiles(RealFiles(), sync_below=False)
        broken.crash_at = crash_at
        seen: dict[str, object] = {}
        path = tmp_path / f"{crash_at}"
        with pytest.raises(Crash):
            first_life(path, broken, seen)
        broken.crash(None if seed is None else Random(seed * 1000 + crash_at))
        with opened(path, broken) as again:
            journal = again.open_journal(HandLoop(), OPTIONS)
            assert seen.get("storage", again.storage) == again.storage
            assert again.incarnation > int(str(seen.get("incarnation", 0)))
            assert seen.get("bootstrap", again.bootstrap) == again.bootstrap
            promise = journal.group("g").load().promise
            assert seen.get("promise", promise) == promise


def make_fixture(path: Path) -> None:
    """How fixtures/format-1 was made: `python -m tests.cluster.storage.test_directory`; never again for the same format."""
    with opened(path, cluster="fixture") as directory:
        directory.record_bootstrap(CONFIGURATION)
        journal = directory.open_journal(HandLoop(), OPTIONS)
        with SnapshotStore(directory.snapshots_path("default")).create(2, 1, CONFIGURATION) as writing:
            writing.write(b"the state at index 2")
            taken = writing.finish()
        group = journal.group("default")
        group.write(batch(1, entry(1), entry(2), entry(3), promise=Promised(1, "n2")), nobody)
        group.write(batch(2, entry(3, 2, b"other"), truncate=2, snapshot=taken, promise=Promised(2, None)), nobody)
        journal.step()
        journal.group("other").write(batch(1, entry(1, 9)), nobody)
        directory.close_journal(journal)
    (path / "lock").unlink()


def test_a_data_directory_of_format_1_opens(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "data")
    with opened(tmp_path / "data", cluster="fixture") as directory:
        journal = directory.open_journal(HandLoop(), OPTIONS)
        back = journal.group("default").load()
        other = journal.group("other").load()
        assert back.snapshot is not None
        state = b"".join(SnapshotStore(directory.snapshots_path("default")).read(back.snapshot))

        assert 2 == directory.incarnation
        assert CONFIGURATION == directory.bootstrap
        assert Promised(2, None) == back.promise
        assert [(3, 2, 103, int(Kind.COMMAND), b"other")] == [(e.index, e.term, e.origin, e.kind, e.data) for e in back.entries]
        assert (2, 1, CONFIGURATION) == (back.snapshot.index, back.snapshot.term, back.snapshot.configuration)
        assert b"the state at index 2" == state
        assert [(1, 9)] == [(e.index, e.term) for e in other.entries]


def test_the_log_goes_on_in_a_directory_of_format_1(tmp_path: Path) -> None:
    shutil.copytree(FIXTURE, tmp_path / "data")
    for life in range(3):
        with opened(tmp_path / "data", cluster="fixture") as directory:
            journal = directory.open_journal(HandLoop(), OPTIONS)
            group = journal.group("default")
            assert 1 + life == len(group.load().entries)
            group.write(batch(1, entry(4 + life)), nobody)
            directory.close_journal(journal)


if __name__ == "__main__":
    make_fixture(FIXTURE)
