"""Whole chaos runs on real nodes: one that passes, one that must not, and two that come to nothing and heal first."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.cluster.chaos import reading, record
from quorate.cluster.chaos.control import Control, control_address
from quorate.cluster.chaos.record import RunRecord, RunVerdict
from quorate.cluster.chaos.run import ChaosRun, Order
from quorate.cluster.chaos.stand import FAULTS_ON, Stand
from quorate.cluster.local import LocalCluster
from quorate.cluster.verify.verdict import Answer, Budget
from tests.support.waiting import POLL_S

pytestmark = pytest.mark.process

BUDGET = Budget(60.0, 3_000_000)


async def run(scenario: str, directory: Path, duration_s: float, stand: Stand | None = None) -> RunRecord:
    found = reading.find(scenario)
    order = Order(found, "raft", 5, duration_s, directory, scenario, BUDGET)
    return await ChaosRun(order, stand or Stand.of(found, "raft", directory / "cluster"), print).run()


async def test_killed_leaders_cost_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    made = await run("leader-kill-loop", tmp_path, 8.0)

    assert (RunVerdict.PASSED, 2) == (made.verdict, len(made.faults)), made.reasons
    assert ["kv", "session"] == [check.model for check in made.checks if check.answer is Answer.VALID]
    assert {"n1", "n2", "n3"} == set(made.convergence)
    assert 1 == len({replica.digest for replica in made.convergence.values()})
    assert all(gap.election_ms is not None and gap.unavailable_ms is not None for gap in made.gaps)
    assert made == RunRecord.from_json(made.to_json())


async def test_disks_that_lie_are_found_out(tmp_path: Path) -> None:
    made = await run("control-lying-disks", tmp_path, 8.0)
    models = {check.model: check.answer for check in made.checks}

    assert RunVerdict.VIOLATED is made.verdict, made.reasons
    assert {"kv": Answer.INVALID, "session": Answer.INVALID} == models
    assert made.violation_ms is not None and made.frames


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path / "cluster", settings=FAULTS_ON, proxied=True) as made:
        made.start()
        made.wait_ready()
        yield made


LONELY = """\
name: lonely
doc: The leader is alone for a minute.
schedule: [{at: 0s, for: 60s, fault: isolate leader}]
"""


async def faults_of(cluster: LocalCluster) -> int:
    async with Control(control_address(cluster.record)) as control:
        return len(await control.faults())


@pytest.mark.parametrize("how", ["interrupted", "without its proxy"])
async def test_a_run_that_ends_early_heals_first_and_says_why(cluster: LocalCluster, tmp_path: Path, how: str) -> None:
    scenario, out = tmp_path / "lonely.yaml", tmp_path / "out"
    scenario.write_text(LONELY)
    words = ["chaos", "run", str(scenario), "--data", str(cluster.directory.path), "--duration", "60s", "--out", str(out)]
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "quorate.cluster.cli.main", *words, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    async with asyncio.timeout(60):
        while True:
            if await faults_of(cluster):
                break
            await asyncio.sleep(POLL_S)
    if how == "interrupted":
        child.send_signal(signal.SIGINT)
    else:
        await asyncio.to_thread(cluster.proxy.kill)
    said, _ = await child.communicate()
    made = record.read(out / "run.json")
    reason = "The run was interrupted." if how == "interrupted" else "The fault proxy died"

    assert (2, RunVerdict.UNKNOWN) == (child.returncode, made.verdict), said.decode()
    assert any(each.startswith(reason) for each in made.reasons), made.reasons
    assert 0 == await faults_of(cluster)
    assert all(map(cluster.is_running, cluster.names))
    await asyncio.to_thread(cluster.wait_ready)
