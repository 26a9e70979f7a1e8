"""What a run says of where it ran: the source's commit, the command that repeats it, and what its processes hold."""

import os
import shlex
import subprocess
from importlib.metadata import version
from pathlib import Path

from quorate.cluster.chaos.record import Fact
from quorate.cluster.local import LocalCluster

GIT_S = 5.0
KIB_PER_MIB = 1024


def source() -> str:
    """The commit, if this is a checkout, and whether it was changed since; else the version."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=GIT_S).stdout.strip()

    try:
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return f"version {version('quorate')}"


def command(word: str, engine: str, seed: int, duration_s: float) -> str:
    """What repeats a run: the same plan, not the same interleaving of real processes."""
    return shlex.join(["quorate", "chaos", "run", word, "--engine", engine, "--seed", str(seed), "--duration", f"{duration_s:g}s"])


def processes(cluster: LocalCluster, when: str) -> dict[str, Fact]:
    """Memory and open files of every node, the proxy and this process."""
    pids = {name: cluster.pid(name) for name in cluster.names} | {"proxy": cluster.proxy.pid, "clients": os.getpid()}
    told = {name: _held(pid) for name, pid in pids.items() if pid}
    return {f"{name} {when}": held for name, held in told.items() if held}


def _held(pid: int) -> str:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
        count = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return ""
    kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
    return f"{kib // KIB_PER_MIB} MiB, {count} open files"
