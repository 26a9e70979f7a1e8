"""The hunt for seeds: `python -m tests.protocols.ablations raft [seeds [name ...]]`.

Do that after changing the simulator or the engine, for the seeds mean other worlds then; what it prints goes into the engine's table in
protocols/simulation/ablations, and docs/ablations.md after it.
"""

import sys
from time import perf_counter

from quorate.protocols.simulation.ablations import SEEDS_MAX, hunt, rows_of


def main() -> None:
    engine = sys.argv[1]
    seeds_max = int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS_MAX
    wanted = sys.argv[3:]
    for row in rows_of(engine):
        if wanted and row.name not in wanted:
            continue
        began = perf_counter()
        result = hunt(row, range(seeds_max))
        took = perf_counter() - began
        if result is None or result.violation is None:
            print(f"{row.name}: none of {seeds_max} seeds missed it ({took:.0f} s)", flush=True)
            continue
        expected = "" if result.violation.invariant in row.invariants else "UNEXPECTED "
        print(f"{row.name}, {result.seed}, {result.events} events: {expected}{result.violation}"[:260], flush=True)


if __name__ == "__main__":
    main()
