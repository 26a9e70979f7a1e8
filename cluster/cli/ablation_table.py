"""`quorate sim --ablations`: every safeguard of an engine taken out in turn, and the seed and the invariant that miss it.

The rule it keeps: a row counts only if it was run here and now. Where the seed of the table no longer shows anything (a seed stands
for another world as soon as the simulator changes) others are tried in order, and the row says so.
"""

from dataclasses import dataclass

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.output import Column, Json
from quorate.cluster.cli.progress import progress
from quorate.protocols.simulation.ablations import SEEDS_MAX, Row, rows_of
from quorate.protocols.simulation.campaign import Result

COLUMNS = (Column("safeguard"), Column("taken out"), Column("source"), Column("seed", True), Column("events", True), Column("invariant"))


@dataclass(frozen=True, slots=True)
class Missed:
    """What became of one row."""

    row: Row
    tried: int
    """How many seeds were run."""
    result: Result | None
    """The one that broke; None if all held."""


def rows(engine: str) -> tuple[Row, ...]:
    found = rows_of(engine)
    if not found:
        raise UsageError(f"there is no table of ablations for {engine} yet")
    return found


def miss(row: Row, seeds_max: int) -> Missed:
    """The row's own seed first, if it has one, then the others."""
    own = [] if row.seed is None else [row.seed]
    seeds = [*own, *(seed for seed in range(seeds_max) if seed != row.seed)][:seeds_max]
    for tried, seed in enumerate(seeds, 1):
        result = row.run(seed)
        if result.violation is not None:
            return Missed(row, tried, result)
    return Missed(row, len(seeds), None)


def run_table(engine: str, seeds_max: int | None, *, json: bool) -> None:
    """Run all rows, print the table; the answer is whether every safeguard was missed. Ctrl-C ends it with the rows so far."""
    table, missed, interrupted = rows(engine), list[Missed](), False
    with progress(len(table), silent=json) as show:
        try:
            for row in table:
                show(len(missed), row.name)
                missed.append(miss(row, seeds_max or SEEDS_MAX))
        except KeyboardInterrupt:
            interrupted = True
    if json:
        output.document({"engine": engine, "rows": [facts(one) for one in missed], "interrupted": interrupted})
    else:
        output.table(COLUMNS, [cells(one) for one in missed], ["" if one.result else "red" for one in missed])
        output.line(summary(engine, missed) + (", then interrupted" if interrupted else ""))
    if any(one.result is None for one in missed):
        raise Answer(Exit.NO)
    if interrupted:
        raise Answer(Exit.INTERRUPTED)


def cells(one: Missed) -> list[str]:
    row, result = one.row, one.result
    if result is None or result.violation is None:
        return [row.name, row.safeguard, row.source, "-", "-", f"held for {output.count(one.tried, 'seed')}"]
    return [row.name, row.safeguard, row.source, str(result.seed), f"{result.events:,}", result.violation.invariant]


def summary(engine: str, missed: list[Missed]) -> str:
    found = sum(one.result is not None for one in missed)
    moved = sum(one.result is not None and one.tried > 1 for one in missed)
    told = f"{engine}: {found} of {output.count(len(missed), 'safeguard')} missed"
    return told + (f"; {moved} not by the seed of the table" if moved else "")


def facts(one: Missed) -> dict[str, Json]:
    row, result = one.row, one.result
    violation = None if result is None else result.violation
    return {
        "name": row.name,
        "safeguard": row.safeguard,
        "source": row.source,
        "kind": row.kind,
        "seeds_tried": one.tried,
        "seed": None if result is None else result.seed,
        "events": None if result is None else result.events,
        "invariant": None if violation is None else violation.invariant,
        "detail": None if violation is None else violation.detail,
    }
