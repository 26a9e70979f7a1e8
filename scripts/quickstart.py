"""The show behind scripts/quickstart: three real nodes, writes, kill -9 of the leader under writes, the gap as measured.

Commands are shown as a person would type them and are run just so. The gap is the longest time between two acknowledged
writes of one client that writes without a pause, one write at a time; afterwards every acknowledged write is read back.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from types import FrameType

from quorate import Client, QuorateError, connect
from quorate.cluster.local import LocalCluster

QUORATE = Path(sys.executable).with_name("quorate")
BEFORE_S, AFTER_S = 1.5, 1.5
"""Writing before the kill, and after the first write that the new leader acknowledged."""
DEADLINE_S = 30.0
"""No failover takes so long: after this something is wrong, and the show says so."""
COMMAND_S = 120.0


class Show:
    """One run in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        self._environment = {**inherited, "QUORATE_LOCAL": str(directory)}

    def type(self, *words: str) -> str:
        """Show a command and run it; its output, which is shown too."""
        print(f"\n$ quorate {' '.join(words)}", flush=True)
        done = subprocess.run(
            [str(QUORATE), *words], env=self._environment, stdout=subprocess.PIPE, text=True, timeout=COMMAND_S, check=False
        )
        print(done.stdout, end="", flush=True)
        if done.returncode:
            raise SystemExit(f"quickstart: `quorate {' '.join(words)}` ended with {done.returncode}")
        return done.stdout

    def expect(self, wanted: str, *words: str) -> None:
        said = self.type(*words)
        if said.strip() != wanted:
            raise SystemExit(f"quickstart: expected {wanted!r}")

    def play(self) -> None:
        say("Three nodes, each a process of its own with its own disk and ports.")
        self.type("up", "--detach")
        say("A write is answered once a majority has it on disk.")
        self.type("put", "greeting", "hello")
        self.expect("hello", "get", "greeting")
        say("Now a Python client writes without a pause, and the leader dies by kill -9.")
        cluster = LocalCluster.open(self.directory, attached=False)
        asyncio.run(crash_under_writes(cluster))
        say("The dead node is shown as down; the others go on and nothing is lost.")
        self.type("status")
        self.expect("hello", "get", "greeting")
        say("It comes back and catches up by itself.")
        self.type("start")
        self.type("status")


def say(text: str) -> None:
    print(f"\n# {text}", flush=True)


async def crash_under_writes(cluster: LocalCluster) -> None:
    """Write, kill the leader in the middle, go on writing; tell the gap, and look for every acknowledged write."""
    leader = cluster.wait_leader()
    pid = cluster.pid(leader)
    written: list[tuple[str, float]] = []
    async with connect(cluster.endpoints, timeout=DEADLINE_S) as client:
        writing = asyncio.create_task(write_on(client, written))
        await asyncio.sleep(BEFORE_S)
        killed = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        before = len(written)
        await wait_for_writes(written, more_than=before + 1, writing=writing)
        await asyncio.sleep(AFTER_S)
        writing.cancel()
        await asyncio.wait([writing])
        times = [when for _, when in written]
        gap_s = max(later - earlier for earlier, later in pairwise(times) if later > killed)
        lost = [key for key, _ in written if await client.get(key) is None]
    successor = await asyncio.to_thread(cluster.wait_leader, other_than=leader)
    print(f"  {leader} (pid {pid}) led: killed after {before:,} writes")
    print(f"  {successor} leads: {len(written) - before:,} writes more")
    print(f"  longest wait for a write around the crash: {gap_s * 1000:,.0f} ms")
    print(f"  acknowledged writes read back: {len(written) - len(lost):,} of {len(written):,}", flush=True)
    if lost:
        raise SystemExit(f"quickstart: {len(lost)} acknowledged writes are gone, the first is {lost[0]}")


async def write_on(client: Client, written: list[tuple[str, float]]) -> None:
    """One write after the other until cancelled. What fails is not written down; the client repeats what it safely can."""
    number = 0
    while True:
        number += 1
        key = f"crash/{number:06}"
        try:
            await client.put(key, "x")
        except QuorateError as error:
            print(f"  a write ended with {type(error).__name__}: {error}", flush=True)
        else:
            written.append((key, time.perf_counter()))


async def wait_for_writes(written: list[tuple[str, float]], *, more_than: int, writing: "asyncio.Task[None]") -> None:
    deadline = time.perf_counter() + DEADLINE_S
    while len(written) <= more_than:
        if writing.done():
            writing.result()
        if time.perf_counter() > deadline:
            raise SystemExit(f"quickstart: no write for {DEADLINE_S:g} s after the leader died")
        await asyncio.sleep(0.005)


def end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    keep = sys.argv[1:] == ["--keep"]
    if sys.argv[1:] and not keep:
        print(f"usage: scripts/quickstart [--keep]; not {' '.join(sys.argv[1:])}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    show = Show(Path(tempfile.mkdtemp(prefix="quorate-quickstart-")) / "cluster")
    finished = False
    try:
        show.play()
        finished = True
    except KeyboardInterrupt:
        return 130
    finally:
        if finished and keep:
            say("It runs on. To play with it, and to end it:")
            print(f"export QUORATE_LOCAL={show.directory} PATH={QUORATE.parent}:$PATH\nquorate down --wipe --yes")
        else:
            clean_up(show)
    say("Next: the tour in README.md.")
    return 0


def clean_up(show: Show) -> None:
    """Nothing stays, whatever happened."""
    if (show.directory / "cluster.json").exists():
        try:
            show.type("down")
        finally:
            LocalCluster.open(show.directory).kill()
    shutil.rmtree(show.directory.parent, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
