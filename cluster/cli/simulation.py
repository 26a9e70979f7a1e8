"""`quorate sim`: seeds of the simulator, one seed told line by line, and a failing one made small."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import UsageError
from quorate.cluster.cli.options import JsonOption

SEEDS = 100
STEPS = 10_000
"""Events of the safety phase, as the simulator's own default; a test compares them."""
STEPS_MAX = 10_000_000
SEED_MAX = 1 << 62
NODES_MAX = 9
CLIENTS_MAX = 1_000
WORKERS_MAX = 256

MANY, ONE, WORLD = "Many seeds", "One seed", "Which world"

Engine = Annotated[str, typer.Option("--engine", metavar="NAME", help="Which consensus engine.", rich_help_panel=WORLD)]
Nodes = Annotated[
    int | None, typer.Option("--nodes", min=1, max=NODES_MAX, help="Nodes to begin with; else the seed chooses.", rich_help_panel=WORLD)
]
Clients = Annotated[int | None, typer.Option("--clients", min=1, max=CLIENTS_MAX, help="Else the seed chooses.", rich_help_panel=WORLD)]
Steps = Annotated[
    int,
    typer.Option("--steps", min=0, max=STEPS_MAX, help="Events in which all may fail; then it must go on.", rich_help_panel=WORLD),
]
Ablation = Annotated[
    str | None,
    typer.Option("--ablation", metavar="NAME", help="Without this safeguard: a way to see a failing run.", rich_help_panel=WORLD),
]
Ablations = Annotated[
    bool,
    typer.Option("--ablations", help="Take each safeguard out in turn; print which seed and invariant miss it.", rich_help_panel=MANY),
]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", "-n", min=1, max=SEED_MAX, help=f"How many. Default: {SEEDS}, or as many as fit.", rich_help_panel=MANY),
]
FirstSeed = Annotated[int | None, typer.Option("--first-seed", min=0, max=SEED_MAX, help="The first. Default: 0.", rich_help_panel=MANY)]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin at a seed of the clock's, which nobody has run yet.", rich_help_panel=MANY)]
For = Annotated[
    float | None, typer.Option("--for", metavar="SECONDS", min=0.1, max=1e7, help="After this long begin no more.", rich_help_panel=MANY)
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", "-w", min=1, max=WORKERS_MAX, help="Processes. Default: one per core.", rich_help_panel=MANY),
]
Seed = Annotated[int | None, typer.Option("--seed", "-s", min=0, max=SEED_MAX, help="Run this one alone.", rich_help_panel=ONE)]
Only = Annotated[
    str | None,
    typer.Option("--only", metavar="3,5-9|none", help="Of its strikes let only these happen, by number.", rich_help_panel=ONE),
]
Trace = Annotated[bool, typer.Option("--trace", help="Tell the end of what happened, line by line.", rich_help_panel=ONE)]
WholeTrace = Annotated[bool, typer.Option("--whole-trace", help="Tell it from the beginning.", rich_help_panel=ONE)]
TraceFile = Annotated[Path | None, typer.Option("--trace-file", metavar="FILE", help="Write the whole trace there.", rich_help_panel=ONE)]
Shrink = Annotated[
    bool,
    typer.Option("--shrink", help="Make a failing seed small; of many seeds, the first.", rich_help_panel=ONE),
]


def sim(
    engine: Engine = "raft",
    nodes: Nodes = None,
    clients: Clients = None,
    steps: Steps = STEPS,
    ablation: Ablation = None,
    seeds: Seeds = None,
    first_seed: FirstSeed = None,
    fresh: Fresh = False,
    seconds: For = None,
    workers: Workers = None,
    ablations: Ablations = False,
    seed: Seed = None,
    only: Only = None,
    trace: Trace = False,
    whole_trace: WholeTrace = False,
    trace_file: TraceFile = None,
    shrink: Shrink = False,
    json: JsonOption = False,
) -> None:
    """Look for mistakes of a consensus engine: run it in seeded worlds where everything fails, with all invariants checked.

    A seed decides all: nodes, links, disks, clocks, clients and what strikes when. The same seed gives the same run, anywhere.

    Exit codes: 0 all held, 1 an invariant was broken, 2 usage, 4 a worker died, 130 interrupted.

    Examples:

    - `quorate sim --engine raft --seeds 1000`
    - `quorate sim --fresh --for 60`
    - `quorate sim --seed 7 --trace`
    - `quorate sim --seed 7 --shrink`
    - `quorate sim --ablations`
    - `quorate sim --ablation VotesTwice --seeds 20 --shrink`
    """
    from quorate.cluster.cli import simulating
    from quorate.cluster.cli.seeds import Job
    from quorate.protocols.simulation.case import Case

    job = Job(known(engine), Case(seed or 0, steps, nodes, clients, None if only is None else numbers(only)), safeguard(engine, ablation))
    many = {"--first-seed": first_seed, "--fresh": fresh or None, "--for": seconds, "--workers": workers}
    single = {"--only": only, "--trace": trace or None, "--whole-trace": whole_trace or None, "--trace-file": trace_file}
    if ablations:
        world = {"--nodes": nodes, "--clients": clients, "--ablation": ablation, "--seed": seed, "--shrink": shrink or None}
        refuse({**many, **single, **world}, "has no meaning for the table of --ablations; --seeds says how many to try for each")
        from quorate.cluster.cli.ablation_table import run_table

        run_table(engine, seeds, json=json)
    elif seed is not None:
        refuse({"--seeds": seeds, **many}, "runs many seeds; --seed runs one")
        simulating.one(job, simulating.Telling(trace or whole_trace, whole_trace, trace_file, shrink, json))
    else:
        refuse(single, "is about one seed: name it with --seed")
        if fresh and first_seed is not None:
            raise UsageError("--fresh chooses the first seed; leave out --first-seed")
        first = simulating.fresh_seed() if fresh else first_seed or 0
        if fresh:
            output.complain(f"seeds from {first}")  # at once: whoever ends this run must be able to repeat it
        simulating.many(job, first, seeds or (None if seconds else SEEDS), workers, seconds, small=shrink, json=json)


def refuse(given: Mapping[str, object], why: str) -> None:
    """None of these options may be given here."""
    for option, value in given.items():
        if value is not None:
            raise UsageError(f"{option} {why}")


def known(engine: str) -> str:
    from quorate.protocols.simulation.engines import UnknownEngine, check

    try:
        return check(engine)
    except UnknownEngine as error:
        raise UsageError(str(error)) from None


def safeguard(engine: str, name: str | None) -> str | None:
    """The name, if the engine's table has such a row."""
    if name is None:
        return None
    from quorate.protocols.simulation.ablations import rows_of

    names = [row.name for row in rows_of(engine)]
    if name not in names:
        raise UsageError(f"there is no safeguard {name!r} of {engine} to take out; there are {', '.join(sorted(names)) or 'none yet'}")
    return name


def numbers(text: str) -> frozenset[int]:
    from quorate.protocols.simulation.case import read_numbers

    try:
        return read_numbers(text)
    except ValueError as error:
        raise UsageError(f"--only: {error}") from None


def add_to(app: typer.Typer) -> None:
    app.command("sim", rich_help_panel="Proof")(sim)
