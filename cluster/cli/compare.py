"""`quorate compare`: the engines under the same load and faults, in the simulator and on live nodes."""

import json as jsons
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, UsageError
from quorate.cluster.cli.progress import progress

if TYPE_CHECKING:
    from quorate.cluster.compare.live import Plan
    from quorate.cluster.compare.rows import Results
    from quorate.cluster.compare.steps import Effort

SEEDS = 100
SEEDS_QUICK = 15
SEEDS_MAX = 100_000
SECONDS = 0.7
ROUNDS = 6
"""As few as decide something with an interval of their own (compare/figures.py)."""
TRIALS = 6
WORKERS_MAX = 256
LAGS_QUICK = (0, 1_000)
WIDTH_MIN, WIDTH_MAX = 100, 170

Engines = Annotated[
    str | None, typer.Option("--engines", metavar="LIST", help="Which, as raft,zab. Default: all that there are.", show_default=False)
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds",
        "-n",
        min=1,
        max=SEEDS_MAX,
        help=f"Crashes simulated for each kind of election; what costs more gets fewer. Default: {SEEDS}.",
        show_default=False,
    ),
]
SimulatedOnly = Annotated[bool, typer.Option("--simulated-only", help="No live nodes.")]
LiveOnly = Annotated[bool, typer.Option("--live-only", help="No simulator.")]
Quick = Annotated[bool, typer.Option("--quick", help="A first look: simulated only, few seeds, no lag of 100,000 writes.")]
Seconds = Annotated[float, typer.Option("--seconds", "-s", min=0.1, max=600, help="Of each cell on live nodes.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, max=1_000, help="Rounds on live nodes; each takes every cell on every engine.")]
Trials = Annotated[int, typer.Option("--trials", min=0, max=1_000, help="How often the leader of each engine is killed on live nodes.")]
Workers = Annotated[
    int | None, typer.Option("--workers", "-w", min=1, max=WORKERS_MAX, help="Processes that simulate. Default: one per core.")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.", show_default=False)]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the page there: one file that needs no network.", show_default=False)
]


def compare(
    engines: Engines = None,
    seeds: Seeds = None,
    simulated_only: SimulatedOnly = False,
    live_only: LiveOnly = False,
    quick: Quick = False,
    seconds: Seconds = SECONDS,
    rounds: Rounds = ROUNDS,
    trials: Trials = TRIALS,
    workers: Workers = None,
    json: Json = None,
    html: Html = None,
) -> None:
    """Run the engines through the same load and faults; print one table, and the claims that it confirms or refutes.

    The simulator counts: messages, bytes, delays and fsyncs of a write, elections after crashes, followers that lag, partitions. The same
    seeds give the same table, anywhere. Live nodes give times: throughput, latency, failover; they want a quiet machine.

    Exit codes: 0 done, 1 done but something could not be measured (the table says what and why), 2 usage, 130 interrupted.

    Examples:

    - `quorate compare --quick`
    - `quorate compare --html compare.html --json compare.json`
    - `quorate compare --engines raft,zab --simulated-only --seeds 1000`
    - `quorate compare --live-only --seconds 5 --rounds 10`
    """
    from quorate.cluster.compare import subjects
    from quorate.cluster.compare.live import Plan
    from quorate.cluster.compare.rows import LAGS, Results
    from quorate.cluster.compare.steps import Effort
    from quorate.cluster.compare.surroundings import facts

    if live_only and (simulated_only or quick):
        raise UsageError("--live-only leaves the simulator out, --simulated-only and --quick the live nodes: give one of them")
    for file in (json, html):
        _check(file)
    try:
        names = subjects.check([name for name in (engines or ",".join(subjects.known())).split(",") if name])
    except subjects.UnknownEngine as error:
        raise UsageError(error.message) from None
    if not names:
        raise UsageError(f"--engines names no engine; there are {', '.join(subjects.known())}")
    effort = Effort(seeds or SEEDS, LAGS)
    if quick:
        effort = Effort(seeds or SEEDS_QUICK, LAGS_QUICK, shape_seeds_max=1, heavy_seeds_max=1)
    plan = None if simulated_only or quick else Plan(seconds, rounds, trials)
    results = Results(names, facts=facts() | {"timing": subjects.timing()})
    _simulate(None if live_only else effort, workers, results)
    _live(plan, results)
    failed = bool(results.missing)
    _left_out(effort, plan, results, live_only=live_only)
    _tell(results, json, html)
    if failed:
        raise Answer(Exit.NO)


def _check(file: Path | None) -> None:
    """A place that cannot be written is said before minutes of measuring, not after."""
    if file is not None and (file.is_dir() or not file.absolute().parent.is_dir()):
        raise UsageError(f"{file} cannot be written: give a file in an existing folder")


def _simulate(effort: "Effort | None", workers: int | None, results: "Results") -> None:
    if effort is None:
        return
    from quorate.cluster.compare.crew import simulate
    from quorate.cluster.compare.steps import steps

    work = steps(results.engines, effort)
    results.facts["simulated"] = f"seeds 0 to {effort.seeds - 1} for elections, fewer where a seed costs more"
    with progress(sum(step.weight for step in work), silent=False) as show:
        simulate(work, results, show, workers)


def _live(plan: "Plan | None", results: "Results") -> None:
    if plan is None:
        return
    from quorate.cluster.compare.live import measure

    results.facts["live"] = f"{plan.rounds} rounds of {plan.seconds:g} s a cell, {plan.trials} failovers an engine"
    with progress(plan.takes_s(len(results.engines)), silent=False) as show:
        measure(results.engines, plan, results, show)


def _left_out(effort: "Effort", plan: "Plan | None", results: "Results", *, live_only: bool) -> None:
    """What the options leave out, in words."""
    from quorate.cluster.compare.rows import LAGS

    missing = results.missing
    if live_only:
        missing.append(("everything that the simulator counts", "--live-only"))
    else:
        missing += [(f"a follower {lag:,} writes behind", "--quick") for lag in LAGS if lag not in effort.lags]
    if plan is None:
        missing.append(("throughput, latency and failover on live nodes", "--simulated-only or --quick"))
    else:
        missing.append(("bytes between live nodes", "nodes do not count them; the simulator's are of the same frames"))


def _tell(results: "Results", json: Path | None, html: Path | None) -> None:
    from quorate.cluster.compare import table

    width = min(max(shutil.get_terminal_size((WIDTH_MAX, 0)).columns, WIDTH_MIN), WIDTH_MAX)
    for text in table.text(results, width):
        output.line(text)
    if json is not None:
        from quorate.cluster.compare.document import document

        _write(json, jsons.dumps(document(results), indent=1) + "\n")
    if html is not None:
        from quorate.cluster.compare.page import render

        _write(html, render(results))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from None
    output.complain(f"wrote {file}")


def add_to(app: typer.Typer) -> None:
    app.command("compare", rich_help_panel="Proof")(compare)
