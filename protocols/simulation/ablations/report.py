"""The tables of ablations as documentation: docs/ablations.md is what `document` gives, and a test says so.

The rule it keeps: every figure comes from a run of the row at its pinned seed, none from memory.
"""

from collections.abc import Callable, Sequence

from quorate.protocols.simulation.ablations.row import SEEDS_MAX, STEPS, Row
from quorate.protocols.simulation.campaign import Result

PREFACE = f"""# Safeguards, and what happens without them

Each row takes one safeguard out of an engine, of the driver, of the disk or of the sessions: a class for tests only that overrides
one method or two. The world of the seed is the ordinary one: nothing in it was arranged for the row, and with the safeguard in place
the same seed holds. Seeds are hunted for from 0 on, and at most {SEEDS_MAX:,} are tried. "Events" is how many passed until the
invariant broke; a liveness row has {STEPS:,} events of faults first, and then a bound in ticks.

`quorate sim --ablations --engine raft` runs every row and prints this table.
"""

Run = Callable[[Row], Result]
"""What became of a row at its seed."""


def at_its_seed(row: Row) -> Result:
    assert row.seed is not None, row
    return row.run(row.seed)


def table(rows: Sequence[Row], run: Run = at_its_seed) -> list[str]:
    """The lines of one engine's table. ValueError if a row holds at its seed."""
    lines = ["| without | safeguard | source | kind | seed | invariant | events |", "|---|---|---|---|--:|---|--:|"]
    for row in rows:
        if row.seed is not None:
            result = run(row)
            if result.violation is None:
                raise ValueError(f"{row.name} holds at seed {row.seed}: hunt for another")
            cells = (row.name, row.safeguard, row.source, row.kind, str(row.seed), result.violation.invariant, f"{result.events:,}")
            lines.append(f"| {' | '.join(cells)} |")
    rare = [row for row in rows if row.seed is None]
    if rare:
        lines += ["", f"No seed below {SEEDS_MAX:,} misses these; a fixed schedule in tests/protocols shows each:", ""]
        lines += [f"- {row.name}: {row.safeguard} ({row.source}). {row.rare}" for row in rare]
    return lines


def document(tables: dict[str, Sequence[Row]], run: Run = at_its_seed) -> str:
    """The whole page."""
    return "\n".join([PREFACE, *(line for engine, rows in tables.items() for line in (f"## {engine}", "", *table(rows, run), ""))])
