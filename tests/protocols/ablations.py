"""The hunt for seeds: `python -m tests.protocols.ablations hunt raft [seeds [name ...]]`, and then `... write` for docs/ablations.md.

Do both after changing the simulator or an engine, for the seeds mean other worlds then; what the hunt prints goes into the engine's
table in protocols/simulation/ablations.
"""

import sys
from pathlib import Path
from time import perf_counter

from quorate.protocols.simulation.ablations import SEEDS_MAX, TABLES, hunt, rows_of
from quorate.protocols.simulation.ablations.report import document

PAGE = Path(__file__).parents[2] / "docs" / "ablations.md"


def search(engine: str, seeds_max: int, wanted: list[str]) -> None:
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


def main() -> None:
    match sys.argv[1:]:
        case ["hunt", engine, *rest]:
            search(engine, int(rest[0]) if rest else SEEDS_MAX, rest[1:])
        case ["write"]:
            PAGE.write_text(document({engine: rows_of(engine) for engine in TABLES}))
        case _:
            print(__doc__)


if __name__ == "__main__":
    main()
