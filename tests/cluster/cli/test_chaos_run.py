"""`quorate chaos run` and `scenarios` without a cluster: mistakes end with 64 before anything starts, for 2 is a verdict."""

import json
from pathlib import Path

import pytest

from quorate.cluster.chaos import reading
from quorate.cluster.local import LocalCluster
from tests.cluster.cli.conftest import Command

BAD = "name: mine\ndoc: x.\nschedule:\n  - {at: 0s, fault: kill n9}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nothing"], "no scenario 'nothing' and no such file; scenarios: all-crash-restart"),
        (["leader-kill-loop", "--engine", "rafft"], "--engine is one of raft, zab"),
        (["control-log-shipping", "--engine", "raft"], "control-log-shipping is about logship"),
        (["leader-kill-loop", "--duration", "long"], "--duration: a duration: 250us"),
        (["leader-kill-loop", "--duration", "25h"], "from 1s to 24h"),
        (["leader-kill-loop", "--sed", "3"], "No such option: --sed"),
        (["bad.yaml"], "bad.yaml:4: schedule[0].fault: no node 'n9' in a cluster of 3; there are n1, n2, n3"),
        (["leader-kill-loop", "--out", "used"], "holds the history of another run; give --out a new directory"),
    ],
)
def test_a_mistake_ends_with_64_and_nothing_is_started(
    quorate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "history.jsonl").write_text("")
    monkeypatch.chdir(tmp_path)
    ran = quorate("chaos", "run", *words)

    assert 64 == ran.code
    assert complaint in " ".join(ran.err.split())
    assert {"bad.yaml", "used"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "has no fault proxy; begin it anew with `quorate up --proxy`"),
        ({"proxied": True}, "takes no faults of files and admin; begin it anew with `quorate up --proxy --faults`"),
        ({"proxied": True, "nodes": 5}, "is for 3 nodes; the cluster in"),
        ({"proxied": True, "engine": "zab"}, "runs zab, not raft"),
    ],
)
def test_a_local_cluster_that_cannot_suffer_the_scenario_is_refused(
    quorate: Command, tmp_path: Path, options: dict[str, object], complaint: str
) -> None:
    LocalCluster.create(tmp_path / "cluster", **options)  # type: ignore[arg-type]
    words = ["--data", str(tmp_path / "cluster"), "--engine", "raft", "--out", str(tmp_path / "out")]
    ran = quorate("chaos", "run", "leader-kill-loop", *words)

    assert 5 == ran.code
    assert complaint in ran.err


def test_the_scenarios_are_listed_with_what_they_are_for(quorate: Command) -> None:
    shown, told = quorate("chaos", "scenarios"), quorate("chaos", "scenarios", "--json")
    listed = {each["name"]: each for each in json.loads(told.out)}

    assert set(reading.names()) == set(listed)
    assert {name for name in listed if name.startswith("control-")} == {name for name, each in listed.items() if each["control"]}
    assert all(name in shown.out for name in listed)
