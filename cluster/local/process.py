"""Starting, recognising and ending node processes.

The rule: a process is known by its pid *and* its start time, so a pid that the system gave to somebody else in the meantime
is never signalled. A node that is attached ends with whoever started it: its standard input is a pipe whose other end only
the starter holds, and the node stops when it reads the end of that pipe.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

THREADS, STARTED = 17, 19
"""Fields of /proc/PID/stat, counted from 0 behind the command's name (man 5 proc: num_threads, starttime)."""
ENVIRONMENT_PREFIX = "QUORATE_"
POLL_S = 0.01
"""Between two looks at a process that is ending: short against the time a stop takes, long against the look."""
LOG_BYTES_MAX = 64 << 20
"""A log file that is larger than this when its node starts is set aside (one generation is kept)."""


class Identity(NamedTuple):
    """One process for as long as this machine has been up, and beyond."""

    pid: int
    started: str
    """Opaque: changes whenever the pid is given to another process, also over a reboot."""


def identity_of(pid: int) -> Identity | None:
    """Who runs under this pid now; None if nobody does, or only a zombie."""
    if pid <= 0:
        return None
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _identity_by_ps(pid)
    # The command's name stands in parentheses and may itself hold spaces and parentheses: count from the last one.
    fields = text.rpartition(")")[2].split()
    # The first thread may be dead while others, which hold sockets and locks, are still ending.
    if fields[0] in "ZX" and int(fields[THREADS]) <= 1:
        return None
    return Identity(pid, f"{_boot_id()}/{fields[STARTED]}")


def _boot_id() -> str:
    # Start times count from the boot: without this a reboot could make a stale record look alive.
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def _identity_by_ps(pid: int) -> Identity | None:
    """Where there is no /proc (macOS, BSD)."""
    shown = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    if not shown or shown[0].startswith("Z"):
        return None
    return Identity(pid, " ".join(shown[1:]))


def is_running(identity: Identity | None) -> bool:
    return identity is not None and identity_of(identity.pid) == identity


def is_paused(identity: Identity) -> bool:
    """Stopped by SIGSTOP."""
    try:
        return Path(f"/proc/{identity.pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def send(identity: Identity | None, number: signal.Signals) -> bool:
    """Signal exactly that process; False if it is gone."""
    if identity is None or not is_running(identity):
        return False
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return False
    return True


def wait_gone(identity: Identity, child: "subprocess.Popen[bytes] | None", deadline: float) -> bool:
    """True once the process has ended (and is reaped, if it is our child); False at the deadline of time.monotonic()."""
    ours = child if child is not None and child.pid == identity.pid else None
    while True:
        if (ours.poll() is not None) if ours is not None else not is_running(identity):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)


def node_command(config: Path, *, attached: bool) -> list[str]:
    """What runs one node, in the Python that runs us."""
    command = [sys.executable, "-m", "quorate.cluster.cli.main", "node", "--config", str(config)]
    return [*command, "--until-stdin-closes"] if attached else command


def spawn(command: list[str], *, log: Path, directory: Path, attached: bool, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a node in a session of its own, so that a Ctrl-C in a terminal reaches only its starter."""
    if log.exists() and log.stat().st_size > LOG_BYTES_MAX:
        log.replace(log.with_name(log.name + ".1"))
    # A QUORATE_* of the caller is meant for the caller: nodes of one cluster must not inherit a name or a data directory.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE if attached else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=directory,
            env={**inherited, **environment},
            start_new_session=True,
        )
