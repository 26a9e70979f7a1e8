"""`python -m quorate.cluster.simulation --seeds 100 [--first-seed 0] [--trace]`: one line per seed that broke, and how fast it went."""

import argparse
import sys
from time import perf_counter

from quorate.cluster.simulation.run import run
from quorate.cluster.simulation.workload import MODEL
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.verdict import Answer, Budget
from quorate.protocols.simulation.schedule import SECOND

BUDGET = Budget(seconds=10)
"""Of one history: few take a tenth of a second; many uncertain writes joined by ranges may take for ever."""


def main() -> int:
    """0 if no seed breaks anything, 1 if one does, 2 if a history could not be judged."""
    parser = argparse.ArgumentParser(prog="python -m quorate.cluster.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trace", action="store_true", help="print all that happens, line by line")
    chosen = parser.parse_args()
    say = sys.stdout.write
    began, broken, undecided, calls, virtual_ns = perf_counter(), 0, 0, 0, 0
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        result = run(seed, check=lambda history: check(history, MODEL, BUDGET), trace=chosen.trace)
        for line in result.lines:
            say(f"{line}\n")
        if result.violation:
            broken += 1
            say(f"seed {seed}: {result.violation}\n  {result.replay}\n")
        elif result.verdict is not None and result.verdict.answer is Answer.UNKNOWN:
            undecided += 1
            say(f"seed {seed}: undecided: {result.verdict.reason}\n")
        calls, virtual_ns = calls + result.calls, virtual_ns + result.virtual_ns
    took = perf_counter() - began
    seconds = virtual_ns / SECOND
    say(f"{chosen.seeds} seeds, {broken} broken, {undecided} undecided; {calls} events in {seconds:.0f} virtual seconds, ")
    say(f"{calls / took:.0f} events and {seconds / took:.0f} virtual seconds per second\n")
    return 1 if broken else 2 if undecided else 0


if __name__ == "__main__":
    sys.exit(main())
