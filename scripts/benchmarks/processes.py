"""Child processes of a benchmark: each one is known, measured by its CPU time, and ended by its id on every way out."""

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
GRACE_S = 3.0  # a server that does not end on SIGTERM within this is killed; its data is thrown away anyhow
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """The benchmark cannot go on; the message says what happened and what to do."""


def _die_with_parent() -> None:
    # Even a kill -9 of the harness leaves no servers behind.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Children:
    """All processes that this run started."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def spawn(
        self, command: Sequence[str | Path], log: Path, *, piped: bool = False, env: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `command` with its output appended to `log`, or with piped standard input and output."""
        with log.open("ab") as out:
            child = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else out,
                stderr=out,
                env=env,
                bufsize=0,
                start_new_session=True,  # Ctrl-C goes to the harness, which ends its children in order
                preexec_fn=_die_with_parent,
            )
        self._running.append(child)
        return child

    def end(self, *children: subprocess.Popen[bytes]) -> None:
        """SIGTERM, then SIGKILL for those that do not go."""
        for child in children:
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + GRACE_S
        for child in children:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            if child in self._running:
                self._running.remove(child)

    def end_all(self) -> None:
        for child in self._running:
            if child.poll() is None:
                child.kill()
        for child in self._running:
            child.wait()
        self._running.clear()


class LoadGenerator:
    """A long-lived load generator: one request a line on its standard input, lines of answer until a JSON row."""

    def __init__(self, child: subprocess.Popen[bytes], name: str, log: Path) -> None:
        self.child = child
        self.pid = child.pid
        self._name = name
        self._log = log
        self._unread = b""

    def ask(self, *words: object, within_s: float) -> Iterator[str]:
        """Send one request; yield each line of the answer, the last of which is the JSON row."""
        assert self.child.stdin is not None
        deadline = time.monotonic() + within_s
        try:
            self.child.stdin.write((" ".join(str(word) for word in words) + "\n").encode())
        except BrokenPipeError:
            raise BenchError(f"{self._name}: the load generator has ended, see {self._log}") from None
        while True:
            line = self._line(deadline)
            yield line
            if line.startswith("{"):
                return

    def _line(self, deadline: float) -> str:
        assert self.child.stdout is not None
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.child.stdout], [], [], left)[0]:
                raise BenchError(f"{self._name}: no answer from the load generator in time, see {self._log}")
            data = os.read(self.child.stdout.fileno(), 1 << 16)
            if not data:
                raise BenchError(f"{self._name}: the load generator ended without a result, see {self._log}")
            self._unread += data
        line, self._unread = self._unread.split(b"\n", 1)
        return line.decode().strip()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
