"""`quorate compare` on real nodes: they are driven, killed and measured, and none is left behind."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN_WITHIN_S = 240.0


@pytest.mark.process
def test_live_nodes_are_measured_in_turns_and_end_with_the_command(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    words = ["compare", "--live-only", "--engines", "raft,zab", "--rounds", "1", "--trials", "1", "--seconds", "0.3", "--json"]
    command = [sys.executable, "-m", "quorate.cluster.cli.main", *words, str(figures)]
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_WITHIN_S, env=environment)
    assert 0 == done.returncode, done.stderr + done.stdout
    rows = json.loads(figures.read_text())["rows"]

    for in_flight in (1, 16, 64, 256):
        assert rows[f"live.rate.{in_flight}"]["engines"]["raft"]["median"] > 0
        assert rows[f"live.p99.{in_flight}"]["engines"]["zab"]["median"] >= rows[f"live.p50.{in_flight}"]["engines"]["zab"]["median"]
    # Three nodes each sync a lone write; what else they sync, and writes that share a sync, are few.
    assert 2 <= rows["live.fsyncs.1"]["engines"]["raft"]["median"] <= 4
    assert rows["live.fsyncs.256"]["engines"]["raft"]["median"] < 1
    assert ["zab"] == list(rows["live.ratio.64"]["engines"])
    assert {"raft", "zab"} == set(rows["live.gap"]["engines"])
    assert [figures] == list(tmp_path.iterdir())
