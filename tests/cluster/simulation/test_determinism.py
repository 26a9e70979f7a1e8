"""The same seed is the same run: frame for frame, in any process, under any hash seed."""

import os
import subprocess
import sys

import pytest

from quorate.cluster.simulation.run import run
from quorate.cluster.simulation.settings import RunSettings
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND

RUNS = """
from quorate.cluster.simulation.run import run
for seed in (0, 4):
    result = run(seed)
    print(result.trace_hash, result.calls, result.frames, result.operations, result.faults, result.events, result.violation)
    print([repr(each) for each in result.history.operations[-20:]])
"""

LEAKS = """
import time
from quorate.cluster.client.client import Client
from quorate.cluster.simulation.run import run
from quorate.cluster.simulation.settings import RunSettings
from quorate.protocols.simulation.schedule import SECOND
put, held = Client.put, []
async def leaking(client, key, value, **options):
    {leak}
    return await put(client, key, value, **options)
Client.put = leaking
print(run(1, RunSettings(faults_ns=SECOND)).trace_hash)
"""

OVER_A_SET = 'key = next(iter({"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"}))'
BY_THE_WALL_CLOCK = 'value = f"{value} {time.time_ns()}"'
BY_ADDRESS = 'held.append(object()); value = f"{value} {id(held[-1]) // 16}"'


def told(program: str) -> set[str]:
    """What three processes with different string hashing print."""
    found = set()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120)
        assert (0, "") == (done.returncode, done.stderr)
        found.add(done.stdout)
    return found


def test_a_seed_gives_the_same_trace_under_any_hash_seed() -> None:
    assert 1 == len(told(RUNS))


@pytest.mark.parametrize("leak", [OVER_A_SET, BY_THE_WALL_CLOCK, BY_ADDRESS])
def test_the_hash_shows_what_the_seed_does_not_decide(leak: str) -> None:
    """The control: someone goes through a set, reads the clock, or uses an address."""
    assert 1 < len(told(LEAKS.format(leak=leak)))


def test_tracing_changes_nothing_and_tells_something() -> None:
    settings = RunSettings(faults_ns=2 * SECOND, fault_ns=200 * MILLISECOND, weights={"crash": 1, "halves": 1})
    silent, loud = run(2, settings), run(2, settings, trace=True)

    assert silent.trace_hash == loud.trace_hash
    assert ([], silent.calls) == (silent.lines, loud.calls)
    assert any("became leader" in line for line in loud.lines)


def test_seeds_differ() -> None:
    assert 5 == len({run(seed, RunSettings(faults_ns=SECOND)).trace_hash for seed in range(5)})
