"""What a figure was measured on: date, processor, kernel, Python, file system, and what one fdatasync costs there."""

import os
import platform
import time
from datetime import datetime
from pathlib import Path

SYNCS = 200
BLOCK = b"\0" * 4096
MEMORY_FILE_SYSTEMS = ("tmpfs", "ramfs")


def file_system(path: Path) -> str:
    """The type of the file system that holds `path`."""
    best, found = "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind = line.split()[:3]
        inside = str(path.resolve()) == mount or str(path.resolve()).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, found = mount, kind
    return found


def sync_times_ms(folder: Path) -> tuple[float, float]:
    """p50 and p99 of writing 4 KiB into a preallocated file and syncing it."""
    path = folder / "sync-test"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, SYNCS * len(BLOCK))
        os.fsync(descriptor)
        took = []
        for number in range(SYNCS):
            begun = time.perf_counter()
            os.pwrite(descriptor, BLOCK, number * len(BLOCK))
            os.fdatasync(descriptor)
            took.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(descriptor)
        path.unlink()
    took.sort()
    return took[SYNCS // 2], took[SYNCS * 99 // 100]


def describe(folder: Path) -> dict[str, object]:
    """The environment of a run whose data lies in `folder`."""
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    p50, p99 = sync_times_ms(folder)
    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": file_system(folder),
        "fdatasync_p50_ms": round(p50, 3),
        "fdatasync_p99_ms": round(p99, 3),
        "load_average": round(os.getloadavg()[0], 2),
    }
