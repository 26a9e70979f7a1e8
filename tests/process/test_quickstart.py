"""The README's first command, without the setting-up: it tells what happened, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster
from quorate.cluster.local.process import identity_of

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).parents[2] / "scripts" / "quickstart.py"
RUN_S = 180.0


def test_the_show_kills_the_leader_loses_nothing_and_cleans_up(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=RUN_S,
        check=False,
    )

    assert 0 == done.returncode, done.stdout + done.stderr
    assert re.search(r"longest wait for a write around the crash: [\d,]+ ms", done.stdout)
    read, written = re.search(r"acknowledged writes read back: ([\d,]+) of ([\d,]+)", done.stdout).groups()  # type: ignore[union-attr]
    assert read == written
    assert "2 of 3 voters answer" in done.stdout and "3 of 3 voters answer" in done.stdout
    assert [] == list(tmp_path.iterdir())


def test_ctrl_c_in_the_middle_leaves_nothing_behind(tmp_path: Path) -> None:
    show = subprocess.Popen([sys.executable, str(SCRIPT)], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert show.stdout is not None
    while "revision 1" not in show.stdout.readline():
        assert show.poll() is None
    [directory] = tmp_path.glob("*/cluster")
    pids = [node.pid for node in LocalCluster.open(directory).record.nodes.values()]

    show.send_signal(signal.SIGINT)
    show.communicate(timeout=RUN_S)

    assert 130 == show.returncode
    assert [None, None, None] == [identity_of(pid) for pid in pids]
    assert [] == list(tmp_path.iterdir())
