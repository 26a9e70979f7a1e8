"""Every safeguard is needed: without it a seed of the ordinary random workload breaks an invariant that was expected to break.

The tables keep the seeds that were found, so that this is fast. They mean other worlds when the simulator or the engine changes:
then `python -m tests.protocols.ablations` finds new ones and writes docs/ablations.md anew.
"""

import subprocess
import sys
from functools import cache

import pytest

from quorate.protocols.raft import Rules
from quorate.protocols.simulation import Campaign, Result
from quorate.protocols.simulation.ablations import LIVENESS, SAFETY, TABLES, Row, hunt, raft, raft_rules, rows_of
from quorate.protocols.simulation.ablations.report import at_its_seed, document
from quorate.protocols.simulation.engines import load
from tests.protocols.ablations import PAGE
from tests.protocols.test_ablations_on_schedules import SCHEDULES

ROWS = [(engine, row) for engine in TABLES for row in rows_of(engine) if row.seed is not None]


@cache
def result_of(row: Row) -> Result:
    return at_its_seed(row)


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=[f"{engine}-{row.name}" for engine, row in ROWS])
def test_a_seed_misses(engine: str, row: Row) -> None:
    violation = result_of(row).violation

    assert violation is not None, f"seed {row.seed} holds now: python -m tests.protocols.ablations hunt {engine} 2000 {row.name}"
    assert violation.invariant in row.invariants, violation


@pytest.mark.parametrize("engine", TABLES)
@pytest.mark.parametrize("kind", [SAFETY, LIVENESS])
def test_the_same_seeds_hold_with_every_safeguard_in_place(engine: str, kind: str) -> None:
    events = {row.seed: result_of(row).steps for row in rows_of(engine) if row.seed is not None and row.kind == kind}
    results = [Campaign(load(engine), seed).run(steps, liveness=kind == LIVENESS) for seed, steps in sorted(events.items())]

    assert [] == [(result.seed, str(result.violation)) for result in results if result.violation is not None]


def test_every_row_is_shown_by_a_seed_or_on_a_schedule_and_says_why() -> None:
    shown = {row.name for _, row in ROWS} | {name for _, name, _ in SCHEDULES}

    assert [] == [row.name for engine in TABLES for row in rows_of(engine) if row.name not in shown]
    assert [] == [row.name for engine in TABLES for row in rows_of(engine) if (row.seed is None) != bool(row.rare)]


def test_every_rule_of_raft_is_taken_out_by_a_row_but_one_that_says_why() -> None:
    broken = [one for one in vars(raft_rules).values() if isinstance(one, type) and issubclass(one, Rules) and one is not Rules]
    taken_out = {name for one in broken for name in vars(one)}

    assert {one.__name__ for one in broken} <= {row.name for row in rows_of("raft")}
    assert {"commit_to_believe"} == {name for name in dir(Rules) if not name.startswith("_")} - taken_out
    assert raft.__doc__ is not None
    assert "commit_to_believe" in raft.__doc__


def test_every_engine_has_at_least_six_rows_and_no_name_twice() -> None:
    for engine in TABLES:
        names = [row.name for row in rows_of(engine)]
        assert len(set(names)) == len(names) >= 6


def test_the_documentation_is_what_the_runs_give() -> None:
    told = document({engine: rows_of(engine) for engine in TABLES}, result_of)

    assert PAGE.read_text() == told, "python -m tests.protocols.ablations write"


def test_a_row_that_holds_at_its_seed_is_not_put_into_the_table() -> None:
    row = rows_of("raft")[0]

    with pytest.raises(ValueError, match=rf"{row.name} holds at seed {row.seed}"):
        document({"raft": [row]}, lambda row: Result(0, Campaign(row.engine, 0).settings))


def test_a_hunt_ends_at_the_first_seed_that_misses_and_finds_none_where_none_does() -> None:
    row = next(row for row in rows_of("raft") if row.name == "AcksBeforeSync")
    found = hunt(row, range(100))

    assert found is not None
    assert found.violation is not None
    assert hunt(row, range(found.seed)) is None


def test_an_engine_without_a_table_has_no_rows() -> None:
    assert () == rows_of("toy")


IMPORT_ALL_THAT_A_NODE_IS = """
import importlib, pkgutil, sys
for package in ("runtime", "service", "storage", "wire"):
    package = importlib.import_module("quorate.cluster." + package)
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
assert "quorate.cluster.runtime.node" in sys.modules
print(sorted(name for name in sys.modules if name.startswith("quorate.protocols.simulation")))
"""


def test_a_node_imports_nothing_of_the_simulator() -> None:
    told = subprocess.run([sys.executable, "-c", IMPORT_ALL_THAT_A_NODE_IS], capture_output=True, text=True, check=True).stdout

    assert "[]" == told.strip()
