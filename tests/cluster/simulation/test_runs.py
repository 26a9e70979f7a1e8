"""End to end: the whole runtime under seeded faults gives histories that the checkers accept; without a safeguard it does not.

Every seed is an ordinary run: no schedule is written for any of them. A failing one prints the command that replays it.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from quorate.cluster.client.client import Client
from quorate.cluster.client.transaction import Text
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.config import NodeConfig
from quorate.cluster.runtime.engines import raft_options
from quorate.cluster.runtime.surroundings import MakeCore
from quorate.cluster.service.results import PutResult
from quorate.cluster.simulation.run import Result, run
from quorate.cluster.simulation.settings import FAULTS, RunSettings
from quorate.cluster.simulation.workload import MODEL, Habits
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.history import History
from quorate.cluster.verify.verdict import Answer, Verdict
from quorate.cluster.wire.errors import Uncertain
from quorate.protocols.core import Configuration, Core, Recovered
from quorate.protocols.raft import Rules
from quorate.protocols.simulation.ablations.raft_rules import AcksBeforeSync, CountsItselfBeforeSync, raft_without
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND

SEEDS = 20
ABLATED_SEEDS_MAX = 25
"""About one run in four breaks without a safeguard: so many runs miss it once in a thousand times."""


def judged(history: History) -> Verdict:
    return check(history, MODEL)


def power_cuts() -> RunSettings:
    """Slow disks, and a room that loses its power again and again: what was acknowledged before its sync is gone."""
    return RunSettings(
        fsync_ns=20 * MILLISECOND,
        workers=4,
        keys=2,
        value_bytes=2_000,
        think_ns=5 * MILLISECOND,
        read_share=0.3,
        faults_ns=6 * SECOND,
        fault_ns=400 * MILLISECOND,
        weights={"crash_all": 3, "crash_within": 3, "isolate_leader": 1},
        repair_ns=150 * MILLISECOND,
    )


def lost_leaders() -> RunSettings:
    """Leaders go in the middle of requests, so that many have an uncertain end."""
    return RunSettings(
        keys=1,
        think_ns=10 * MILLISECOND,
        timeout_ms=500,
        read_share=0.5,
        faults_ns=4 * SECOND,
        fault_ns=300 * MILLISECOND,
        weights={"crash": 3, "isolate_leader": 3, "transfer": 2},
        repair_ns=150 * MILLISECOND,
    )


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return [run(seed, check=judged) for seed in range(SEEDS)]


def test_histories_of_the_runtime_are_accepted(results: list[Result]) -> None:
    assert [] == [(result.violation, result.replay) for result in results if result.violation]
    assert {Answer.VALID} == {result.verdict.answer for result in results if result.verdict is not None}


def test_the_runs_reach_what_they_are_for(results: list[Result]) -> None:
    """Not one seed has to, but all together: every fault, recovery in all its branches, uncertain outcomes."""
    faults, events, operations = Counter[str](), Counter[str](), Counter[str]()
    for result in results:
        faults.update(result.faults)
        events.update(result.events)
        operations.update(result.operations)

    assert set(FAULTS) - {"ring"} <= set(faults), "all but the one that needs five nodes"
    for event in (
        "became leader",
        "stepped down",
        "quorum lost",
        "truncated",
        "snapshot taken",
        "compacted",
        "snapshot installed",
        "snapshot restored",
        "replica stopped",
        "transfer done",
        "transfer failed",
    ):
        assert events[event], event
    for operation in (
        "get ok",
        "get fail",
        "put ok",
        "put info",
        "put fail",
        "delete ok",
        "cas ok",
        "txn ok",
        "range ok",
        "lease ok",
        "snapshot ok",
    ):
        assert operations[operation], operation
    assert sum(result.lives for result in results) > 2 * sum(result.settings.nodes for result in results)


@pytest.mark.parametrize("settings", [power_cuts, lost_leaders])
def test_the_settings_that_ablations_fail_in_are_passed_by_what_is_whole(settings: Callable[[], RunSettings]) -> None:
    """The control: otherwise the rejections below would say nothing."""
    assert [""] * 3 == [run(seed, settings(), check=judged).violation for seed in range(3)]


def test_a_write_that_the_power_cut_tore_is_cut_off_at_the_next_start() -> None:
    """The recovery of the real log, on what the simulated disk leaves of a write of several sectors."""
    results = [run(seed, power_cuts()) for seed in range(4, 8)]

    assert [""] * 4 == [result.violation for result in results]
    assert any("torn tail cut" in event for result in results for event in result.events)


class Repeats(Client):
    """Without a session it puts again what had an uncertain end, as if that could do no harm."""

    def __init__(self, client: Client) -> None:
        self.__dict__ = client.__dict__

    async def put(self, key: Text, value: Text, **options: Any) -> PutResult:
        for _ in range(20):
            with suppress(Uncertain):
                return await super().put(key, value, **options)
        raise Uncertain("never answered")


def without(rules: type[Rules]) -> MakeCore:
    """Raft but for one rule, in the real runtime."""
    factory = raft_without(rules).factory

    def make(config: NodeConfig, initial: Configuration, rng: Random, incarnation: int, recovered: Recovered) -> Core:
        options = raft_options(config)
        return factory(config.node, initial, options, rng, incarnation, recovered.promise, recovered.snapshot, recovered.entries)

    return make


def rejected(one_run: Callable[[int], Result]) -> bool:
    """Whether a seed's history is rejected."""
    for seed in range(ABLATED_SEEDS_MAX):
        verdict = one_run(seed).verdict
        if verdict is not None and verdict.answer is Answer.INVALID:
            return True
    return False


@pytest.mark.parametrize("rules", [AcksBeforeSync, CountsItselfBeforeSync])
def test_an_acknowledgement_before_the_sync_is_found_in_the_history(rules: type[Rules]) -> None:
    assert rejected(lambda seed: run(seed, power_cuts(), check=judged, core=without(rules)))


def test_a_read_without_a_barrier_is_found_in_the_history() -> None:
    assert rejected(lambda seed: run(seed, lost_leaders(), check=judged, habits=Habits(consistency=Consistency.LOCAL)))


def test_a_write_repeated_without_a_session_is_found_in_the_history() -> None:
    assert rejected(lambda seed: run(seed, lost_leaders(), check=judged, habits=Habits(client=Repeats, exactly_once=False)))


def test_one_node_alone_is_a_cluster() -> None:
    settings = RunSettings(nodes=1, fault_ns=300 * MILLISECOND, weights={"crash": 1, "crash_within": 1, "pause": 1}, faults_ns=5 * SECOND)

    assert "" == run(3, settings, check=judged).violation
