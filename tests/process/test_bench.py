"""scripts/bench: its rows are what others read, and its ledger is what would notice a lost write."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "scripts" / "bench"
RUN_WITHIN_S = 120.0


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCH), *map(str, words)], capture_output=True, text=True, timeout=RUN_WITHIN_S)


# The harness lies beside the package, not in it.
sys.path.insert(0, str(ROOT / "scripts"))
ledger = importlib.import_module("benchmarks.load.ledger")
cluster = importlib.import_module("benchmarks.cluster")
processes = importlib.import_module("benchmarks.processes")
options = importlib.import_module("benchmarks.options")
results = importlib.import_module("benchmarks.results")
targets = importlib.import_module("benchmarks.targets")


@pytest.mark.process
def test_a_short_run_writes_a_row_for_each_cell_and_finds_every_write_again(tmp_path: Path) -> None:
    file, data = tmp_path / "rows.json", tmp_path / "data"
    data.mkdir()
    done = bench("--quick", "--ops", "write,read", "--in-flight", "16", "--secs", "1", "--rounds", "1", "--json", file, "--data", data)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    cells = {row["op"]: row for row in rows if row["op"] in ("write", "read")}

    assert [("machine", "environment"), ("quorate", "write"), ("quorate", "read"), ("quorate", "verify")] == [
        (row["system"], row["op"]) for row in rows
    ]
    for row in cells.values():
        assert ("quorate", 16, 0, 0) == (row["system"], row["in_flight"], row["round"], row["errors"])
        assert row["ops_per_s"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["max_ms"]
        assert {"leader", "follower1", "follower2", "client"} == set(row["cpu_cores"])
    assert min(cells["write"]["fsyncs_per_s"].values()) > 0
    assert 0 == rows[-1]["lost"]
    assert rows[-1]["acknowledged"] > rows[-1]["keys"] == 10_000
    assert [] == os.listdir(data)


def test_a_wrong_option_says_what_is_accepted() -> None:
    done = bench("--against", "etcd,consul")

    assert 2 == done.returncode
    assert "unknown: 'consul'; known: etcd, zookeeper, redis" in done.stderr


def test_an_unknown_engine_lists_the_known_ones() -> None:
    done = bench("--engines", "zab,chain")

    assert 2 == done.returncode
    assert "unknown: 'chain'; known: raft, zab, " in done.stderr


def test_engines_run_beside_raft_which_is_always_there() -> None:
    assert ["raft"] == options.parse(["--quick"]).engines
    assert ["raft", "zab", "kraft"] == options.parse(["--engines", "zab,kraft,raft"]).engines
    assert [] == options.parse(["--only-peers", "--against", "etcd"]).engines


def test_an_engine_is_judged_by_its_part_of_rafts_rate_within_each_round() -> None:
    cells = [("quorate", 0, 100.0), ("quorate-zab", 0, 90.0), ("quorate", 1, 1000.0), ("quorate-zab", 1, 720.0), ("quorate-zab", 2, 1.0)]
    found = results.Results(
        [
            {"system": system, "op": "write", "in_flight": 64, "round": round_, "ops_per_s": rate, "p99_ms": 1.0}
            for system, round_, rate in cells
        ]
    )
    judged = [target for target in targets.judge(found) if "of Raft" in target.text]

    assert [0.9, 0.72] == found.quotients("ops_per_s", "write", ("quorate-zab", "quorate"), 64)
    assert [("writes at 64: zab at least 80% of Raft", "0.81 x", True)] == [(one.text, one.measured, one.met) for one in judged]


def test_the_ledger_accepts_only_writes_that_can_be_the_last_one() -> None:
    book = ledger.Ledger()
    book.settle([ledger.Write(1, b"old", 0.0, 1.0), ledger.Write(1, b"new", 2.0, 4.0), ledger.Write(1, b"beside", 1.5, 3.0)])

    assert book.explains(1, b"new")
    assert book.explains(1, b"beside")
    assert not book.explains(1, b"old")
    assert not book.explains(1, None)


def test_a_later_round_of_writes_replaces_what_was_possible_before() -> None:
    book = ledger.Ledger()
    book.settle([ledger.Write(1, b"first", 0.0, 1.0), ledger.Write(2, b"kept", 0.0, 1.0)])
    book.settle([ledger.Write(1, b"second", 5.0, 6.0)])

    assert not book.explains(1, b"first")
    assert book.explains(1, b"second")
    assert book.explains(2, b"kept")


def test_an_uncertain_write_stays_possible_and_a_refused_one_never_is() -> None:
    book = ledger.Ledger()
    book.settle([ledger.Write(1, b"maybe", 0.0, ledger.UNCERTAIN), ledger.Write(1, b"sure", 1.0, 2.0)])
    book.settle([ledger.Write(1, b"later", 3.0, 4.0), ledger.Write(1, b"never", 5.0, ledger.REFUSED)])

    assert book.explains(1, b"maybe")
    assert book.explains(1, b"later")
    assert not book.explains(1, b"sure")
    assert not book.explains(1, b"never")


def test_the_gap_of_a_failover_is_the_longest_pause_around_the_kill() -> None:
    before, after = [1.0, 5.0, 9.4, 10.0], [10.7 + n / 10 for n in range(93)]  # the pause from 5.0 on is not the kill's

    assert 700.0 == cluster.longest_gap_ms(before + after, killed_at=10.0, ended_at=20.0)


def test_writes_that_never_come_back_are_a_gap_up_to_the_end() -> None:
    assert 9900.0 == cluster.longest_gap_ms([9.0, 9.5, 10.0, 10.1], killed_at=10.0, ended_at=20.0)


def test_a_load_that_wrote_nothing_before_the_kill_measures_nothing() -> None:
    with pytest.raises(processes.BenchError, match="before the kill"):
        cluster.longest_gap_ms([10.1, 11.0], killed_at=10.0, ended_at=20.0)
