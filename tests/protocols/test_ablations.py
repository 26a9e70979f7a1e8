"""Every safeguard is needed: without it a seed of the ordinary random workload breaks an invariant that was expected to break.

The tables keep the seeds that were found, so that this is fast. They mean other worlds when the simulator or the engine changes:
`python -m tests.protocols.ablations` finds new ones.
"""

import subprocess
import sys

import pytest

from quorate.protocols.simulation import Campaign
from quorate.protocols.simulation.ablations import LIVENESS, TABLES, Row, hunt, rows_of
from quorate.protocols.simulation.engines import load
from tests.protocols.test_ablations_on_schedules import SCHEDULES

ROWS = [(engine, row) for engine in TABLES for row in rows_of(engine) if row.seed is not None]

OTHER_SEEDS = range(60)
"""Tried before the test fails, so that not every change of the simulator asks for a new table."""


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=[f"{engine}-{row.name}" for engine, row in ROWS])
def test_a_seed_misses(engine: str, row: Row) -> None:
    seed = row.seed
    assert seed is not None
    missed = hunt(row, [seed, *OTHER_SEEDS])

    assert missed is not None, f"seed {seed} holds without it now: python -m tests.protocols.ablations {engine} 2000 {row.name}"
    violation = missed.violation
    assert violation is not None
    assert violation.invariant in row.invariants, violation


@pytest.mark.parametrize("engine", TABLES)
def test_the_same_seeds_hold_with_every_safeguard_in_place(engine: str) -> None:
    seeds = {row.seed or 0: row.kind == LIVENESS for row in sorted(rows_of(engine), key=lambda row: row.kind == LIVENESS)}
    results = [Campaign(load(engine), seed).run(3_000, liveness=liveness) for seed, liveness in seeds.items()]

    assert [] == [(result.seed, str(result.violation)) for result in results if result.violation is not None]


def test_every_row_is_shown_by_a_seed_or_on_a_schedule() -> None:
    shown = {row.name for _, row in ROWS} | {name for _, name, _ in SCHEDULES}

    assert [] == [row.name for engine in TABLES for row in rows_of(engine) if row.name not in shown]


def test_an_engine_without_a_table_has_no_rows() -> None:
    assert () == rows_of("toy")


IMPORT_ALL_THAT_A_NODE_IS = """
import importlib, pkgutil, sys
import quorate.cluster.runtime, quorate.cluster.service, quorate.cluster.storage, quorate.cluster.wire
for package in ("runtime", "service", "storage", "wire"):
    package = importlib.import_module("quorate.cluster." + package)
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(sorted(name for name in sys.modules if name.startswith("quorate.protocols.simulation")))
"""


def test_a_node_imports_nothing_of_the_simulator() -> None:
    told = subprocess.run([sys.executable, "-c", IMPORT_ALL_THAT_A_NODE_IS], capture_output=True, text=True, check=True).stdout

    assert "[]" == told.strip()
