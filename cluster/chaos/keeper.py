"""A process that lets paused nodes go on: when their time is over, or when whoever paused them is gone, however that came.

The rule: it signals exactly the processes that were named, and never one that got the pid of one of them later. Run as
`python -m quorate.cluster.chaos.keeper SECONDS PID STARTED [PID STARTED]...`; it ends when its standard input does.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

from quorate.cluster.local.process import Identity, send


class Keeper:
    """One pause of some processes, from outside."""

    def __init__(self, identities: Sequence[Identity], ttl_s: float) -> None:
        words = [word for identity in identities for word in (str(identity.pid), identity.started)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "quorate.cluster.chaos.keeper", f"{ttl_s:.3f}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def release(self) -> None:
        """The nodes go on now."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main(words: Sequence[str]) -> None:
    """Until the time is over or standard input ends; then SIGCONT."""
    # Before waiting: a terminal's Ctrl-C is not meant for whoever has to put things right.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], float(words[0]))
    if ready:
        os.read(sys.stdin.fileno(), 1)
    for pid, started in zip(words[1::2], words[2::2], strict=True):
        send(Identity(int(pid), started), signal.SIGCONT)


if __name__ == "__main__":
    main(sys.argv[1:])
