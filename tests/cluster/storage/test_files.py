"""The seam to the disk: real and faulty files do the same while nothing fails, and the faulty ones lose exactly what was not synced."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EFBIG, EIO, ENOSPC
from pathlib import Path
from random import Random

import pytest

from quorate.cluster.storage.faulty import Crash, FaultyFiles
from quorate.cluster.storage.files import PIECES_MAX, Files, RealFiles, read_file, replace_file
from quorate.cluster.storage.journal import Journal
from tests.cluster.storage.world import HandLoop


@pytest.fixture(params=["real", "faulty"])
def files(request: pytest.FixtureRequest) -> Files:
    return RealFiles() if request.param == "real" else FaultyFiles(RealFiles(), sync_below=False)


def test_what_was_written_is_read_at_its_offset(files: Files, tmp_path: Path) -> None:
    file = files.create(str(tmp_path / "a"))
    file.write((b"one", bytearray(b"two")), 0)
    file.write_synced((memoryview(b"three"),), 10)
    file.write((b"TWO",), 3)

    assert b"oneTWO\0\0\0\0three" == file.read(0, 100)
    assert (b"TWO", b"", 15) == (file.read(3, 3), file.read(15, 5), file.size())


def test_many_pieces_are_one_write(files: Files, tmp_path: Path) -> None:
    file = files.create(str(tmp_path / "a"))
    file.write([b"%d," % number for number in range(PIECES_MAX * 3)], 0)

    assert b"".join(b"%d," % number for number in range(PIECES_MAX * 3)) == file.read(0, 1 << 20)


def test_files_are_allocated_cut_and_grown(files: Files, tmp_path: Path) -> None:
    file = files.create(str(tmp_path / "a"))
    file.allocate(5000)
    allocated = file.size()
    file.write((b"x" * 100,), 0)
    file.truncate(50)
    file.sync()

    assert (5000, 50, b"x" * 50) == (allocated, file.size(), file.read(0, 100))


def test_names_are_made_changed_and_removed(files: Files, tmp_path: Path) -> None:
    directory = str(tmp_path / "d")
    files.make_directory(directory)
    files.create(f"{directory}/a").write((b"a",), 0)
    files.create(f"{directory}/b").write((b"b",), 0)
    files.rename(f"{directory}/a", f"{directory}/c")
    files.remove(f"{directory}/b")
    files.sync_directory(directory)

    assert ["c"] == files.list(directory)
    assert (True, False) == (files.exists(f"{directory}/c"), files.exists(f"{directory}/a"))
    assert b"a" == read_file(files, f"{directory}/c")
    with pytest.raises(FileNotFoundError):
        files.open(f"{directory}/b")
    with pytest.raises(FileExistsError):
        files.create(f"{directory}/c")


def test_a_file_is_replaced_as_a_whole(files: Files, tmp_path: Path) -> None:
    path = str(tmp_path / "a")
    replace_file(files, path, b"long old contents")
    (tmp_path / "a.partial").write_bytes(b"left by a crash")
    replace_file(files, path, b"new")

    assert b"new" == read_file(files, path)
    assert ["a"] == files.list(str(tmp_path))


@contextmanager
def small_files() -> Iterator[None]:
    """The system cuts writes at 1,000 bytes of a file, and fails those beyond: our report's too, so only for the moment."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_short_write_is_gone_on_with_until_the_system_says_why(tmp_path: Path) -> None:
    file = RealFiles().create(str(tmp_path / "a"))
    with small_files(), pytest.raises(OSError) as caught:
        file.write_synced((b"x" * 700, b"y" * 800), 0)

    assert EFBIG == caught.value.errno
    assert b"x" * 700 + b"y" * 300 == file.read(0, 2000)


# What the faulty layer loses.


def durable(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def test_an_unsynced_name_is_lost_with_the_synced_contents(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    files.create(str(tmp_path / "a")).write_synced((b"synced",), 0)
    seen = files.list(str(tmp_path))
    files.crash()

    assert (["a"], []) == (seen, files.list(str(tmp_path)))


def test_unsynced_contents_are_lost_with_the_synced_name(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    file = files.create(str(tmp_path / "a"))
    files.sync_directory(str(tmp_path))
    file.write_synced((b"synced ",), 0)
    file.write((b"not",), 7)
    seen = file.read(0, 100)
    files.crash()

    assert (b"synced not", b"synced ") == (seen, durable(tmp_path / "a"))


def test_an_unsynced_rename_or_removal_never_was(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    for name in "ab":
        replace_file(files, str(tmp_path / name), name.encode())
    files.rename(str(tmp_path / "a"), str(tmp_path / "c"))
    files.remove(str(tmp_path / "b"))
    seen = files.list(str(tmp_path))
    files.crash()

    assert (["c"], ["a", "b"]) == (seen, files.list(str(tmp_path)))


def test_a_tear_persists_whole_sectors_in_any_combination(tmp_path: Path) -> None:
    seen: set[bytes] = set()
    for seed in range(60):
        files = FaultyFiles(RealFiles(), sync_below=False)
        path = tmp_path / f"{seed}"
        replace_file(files, str(path), b"." * 1536)
        files.open(str(path)).write((b"x" * 1000,), 300)
        files.crash(Random(seed))
        data = path.read_bytes()
        seen.add(bytes(data[offset] for offset in (0, 400, 600, 1100, 1400)))
        assert {data[300:512], data[512:1024], data[1024:1300]} <= {b"." * 212, b"x" * 212, b"." * 512, b"x" * 512, b"." * 276, b"x" * 276}

    assert {b".....", b".xxx.", b".x...", b"..x..", b"...x."} <= seen


def test_what_failed_to_sync_is_never_durable_whatever_later_syncs_say(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    file = files.create(str(tmp_path / "a"))
    files.sync_directory(str(tmp_path))
    file.write((b"lost",), 0)
    files.faults.fail_sync = EIO
    with pytest.raises(OSError):
        file.sync()
    files.faults.fail_sync = None
    file.sync()
    seen = file.read(0, 10)
    files.crash()

    assert (b"lost", b"") == (seen, durable(tmp_path / "a"))


def test_a_full_disk_refuses_to_grow_files_but_not_to_write_into_them(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    file = files.create(str(tmp_path / "a"))
    files.faults.free_bytes = 100
    file.allocate(60)
    file.write((b"x" * 60,), 0)
    with pytest.raises(OSError) as caught:
        file.write((b"x" * 60,), 60)

    assert ENOSPC == caught.value.errno
    assert 60 == file.size()


def test_after_the_crash_point_nothing_more_happens(tmp_path: Path) -> None:
    files = FaultyFiles(RealFiles())
    file = files.create(str(tmp_path / "a"))
    files.crash_at = files.step_count + 1
    file.write((b"x",), 0)
    for _ in range(2):
        with pytest.raises(Crash):
            file.sync()
    files.crash()
    with pytest.raises(OSError, match="before the crash"):
        file.read(0, 1)


WRITER = """
import asyncio, sys
from quorate.cluster.storage.faulty import Faults, FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.storage.journal import Journal, JournalOptions
from quorate.protocols.core import Effects, Entry

async def main():
    files = FaultyFiles(RealFiles(), sync_below=False)
    journal = Journal.open(sys.argv[1], asyncio.get_running_loop(), fresh=True, files=files, options=JournalOptions(segment_bytes=1 << 16))
    files.faults.skip_sync = sys.argv[2] == "lying"
    group = journal.group("g")
    serial = 0
    def told(durable):
        nonlocal serial
        if durable:
            print(durable, flush=True)
        serial += 1
        group.write(Effects(serial, entries=[Entry(serial, 1, serial, 0, b"x" * 100)]), told)
    told(0)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def killed_writer(directory: Path, disk: str) -> tuple[int, int]:
    """A process writes until it is killed with -9: the last batch it was told of, and the last that is there."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(directory), disk], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(300)]
        process.kill()
        told += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    journal = Journal.open(str(directory), HandLoop(), fresh=False)
    entries = journal.group("g").load().entries
    journal.close()
    assert list(range(1, len(entries) + 1)) == [entry.index for entry in entries]
    return told[-1], len(entries)


@pytest.mark.process
def test_a_process_killed_with_9_keeps_what_was_told_durable_and_loses_it_where_the_disk_lies(tmp_path: Path) -> None:
    told, there = killed_writer(tmp_path / "sound", "sound")
    told_lies, there_lies = killed_writer(tmp_path / "lying", "lying")

    assert 300 <= told <= there
    assert there_lies < told_lies
