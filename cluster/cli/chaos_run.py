"""`quorate chaos run`: a whole run with a verdict, and `quorate chaos scenarios`: what there is to run.

The exit code is the verdict: 0 passed, 1 violated, 2 unknown or inconclusive. What is no verdict has codes of its own: 64 for a command
or a scenario that cannot be understood, and those of every command for a cluster that could not be had.
"""

import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, Misused
from quorate.cluster.cli.options import JsonOption
from quorate.cluster.cli.output import Column
from quorate.cluster.cli.verification import VerifyCommand

if TYPE_CHECKING:
    from quorate.cluster.chaos.record import RunRecord
    from quorate.cluster.chaos.run import Order
    from quorate.cluster.chaos.scenario import Scenario

ENGINE_DEFAULT = "raft"
SEED_BITS = 31
CHECK_S = 120.0


def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A name of `quorate chaos scenarios`, or a file *.yaml.")],
    engine: Annotated[str | None, typer.Option("--engine", metavar="NAME", help="Of the cluster that is started. Default: raft.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", min=0, help="Of the faults and clients. Default: a new one.")] = None,
    duration: Annotated[str | None, typer.Option("--duration", metavar="TIME", help="Of the faults, as 30s or 10m.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="For history, record and report. Default: a new one.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", "-d", metavar="DIR", help="Use the local cluster of that directory, which runs, instead.")
    ] = None,
    check_limit: Annotated[float, typer.Option("--check-limit", metavar="SECONDS", min=1, help="For each checker.")] = CHECK_S,
    json: JsonOption = False,
) -> None:
    """Break a cluster under load, heal it, and judge what its clients were told.

    Starts a cluster behind a fault proxy (or takes a local one that runs), and then: load, faults by the scenario and the seed, healing,
    convergence, final reads of every key at every node, checkers. Everything that was seen goes into DIR.

    Exit code 0: passed. 1: violated. 2: unknown or inconclusive, which is no pass. 64: the command or the scenario cannot be understood;
    nothing was started. Ctrl-C heals first.

    Examples:

    - `quorate chaos run leader-kill-loop`
    - `quorate chaos run everything --engine zab --seed 7 --duration 10m`
    - `quorate chaos run mine.yaml --data ./cluster --json | jq -r .verdict`
    """
    from quorate.cluster.chaos import reading
    from quorate.cluster.chaos.yaml_tree import BadScenario

    try:
        found = reading.find(scenario)
        duration_s = _seconds(duration) if duration else found.duration_s
    except BadScenario as error:
        raise Misused(error.message) from None
    chosen = _engine(found, engine, data)
    order = _order(found, scenario, chosen, seed, duration_s, out, check_limit)
    record = _run(order, data, quiet=json)
    if json:
        output.line(record.to_json())
    else:
        _show(record, order.directory)
    raise Answer(record.verdict.exit_code)


def _seconds(text: str) -> float:
    from quorate.cluster.chaos.units import NotAFault, long_duration_ms

    try:
        return long_duration_ms("--duration", text) / 1_000
    except NotAFault as error:
        raise Misused(error.message) from None


def _engine(scenario: "Scenario", engine: str | None, data: Path | None) -> str:
    from quorate.cluster.runtime.config import ENGINES

    if engine is not None and engine not in ENGINES:
        raise Misused(f"--engine is one of {', '.join(ENGINES)}, not {engine!r}")
    if engine and scenario.engine and engine != scenario.engine:
        raise Misused(f"{scenario.name} is about {scenario.engine}; leave out --engine {engine}")
    if data is not None:
        return engine or scenario.engine
    return engine or scenario.engine or ENGINE_DEFAULT


def _order(
    scenario: "Scenario", word: str, engine: str, seed: int | None, duration_s: float, out: Path | None, check_limit: float
) -> "Order":
    from quorate.cluster.chaos.run import HISTORY, STATES_MAX, Order
    from quorate.cluster.verify.verdict import Budget

    directory = out if out is not None else Path(tempfile.mkdtemp(prefix=f"quorate-{scenario.name}-"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misused(f"cannot make {directory}: {error.strerror}") from None
    if (directory / HISTORY).exists():
        raise Misused(f"{directory} holds the history of another run; give --out a new directory")
    budget = Budget(check_limit, STATES_MAX)
    return Order(scenario, engine, secrets.randbits(SEED_BITS) if seed is None else seed, duration_s, directory.absolute(), word, budget)


def _run(order: "Order", data: Path | None, *, quiet: bool) -> "RunRecord":
    import uvloop

    from quorate.cluster.chaos import record
    from quorate.cluster.chaos.report.page import write_report
    from quorate.cluster.chaos.run import RECORD, REPORT, ChaosRun
    from quorate.cluster.chaos.stand import Stand

    def tell(words: str) -> None:
        if not quiet:
            print(words, file=sys.stderr, flush=True)  # noqa: T201

    stand = (
        Stand.running(order.scenario, order.engine, data)
        if data is not None
        else Stand.of(order.scenario, order.engine, order.directory / "cluster")
    )
    chaos = ChaosRun(order, stand, tell)
    tell(f"{order.scenario.name} on {stand.engine}, seed {order.seed}, {order.duration_s:g} s of faults: {order.scenario.doc}")

    async def running() -> "RunRecord":
        task = asyncio.ensure_future(chaos.run())
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await task

    try:
        made = uvloop.run(running())
    except asyncio.CancelledError:
        output.complain("interrupted before anything was injected")
        raise Answer(Exit.INTERRUPTED) from None
    record.write(made, order.directory / RECORD)
    write_report(made, order.directory / REPORT)
    return made


def _show(record: "RunRecord", directory: Path) -> None:
    output.line(f"{record.verdict.value.upper()}  {record.name} ({record.engine}, seed {record.seed})")
    for reason in record.reasons:
        output.line(f"  {reason}")
    counts = record.counts
    output.line()
    output.line(
        f"{counts.operations:,} operations: {counts.acknowledged:,} acknowledged, {counts.failed:,} failed, {counts.unknown:,} unknown; "
        f"{len(record.faults)} faults"
    )
    bands = {band.id: band for band in record.faults}
    rows = []
    for gap in record.gaps:
        band = bands[gap.fault]
        touched = ", ".join(f"{count:,} {what}" for what, count in band.touched.items() if count)
        times = [_ms(time) for time in (gap.first_error_ms, gap.election_ms, gap.unavailable_ms, gap.heal_to_first_success_ms)]
        rows.append([f"{band.start_ms / 1_000:.1f} s", band.text, touched or "nothing", *times])
    titles = ("AT", "FAULT", "TOUCHED", "FIRST ERROR", "ELECTION", "AWAY", "HEALED TO ANSWER")
    output.table([Column(title) for title in titles], rows)
    output.line()
    output.line(f"Again: {record.command}")
    output.line(f"Report, record, history and the nodes' logs: {directory}")


def _ms(time: float | None) -> str:
    return "-" if time is None else f"{time:,.0f} ms"


def scenarios(json: JsonOption = False) -> None:
    """List the scenarios that `quorate chaos run` knows by name.

    Those marked as controls must end VIOLATED: they show that the checkers see.

    Examples:

    - `quorate chaos scenarios`
    - `quorate chaos scenarios --json | jq -r '.[] | select(.control | not) | .name'`
    """
    from quorate.cluster.chaos import reading

    found = [reading.named(name) for name in reading.names()]
    if json:
        output.document(
            [
                {"name": each.name, "doc": each.doc, "nodes": each.nodes, "engine": each.engine, "control": each.expect.control}
                for each in found
            ]
        )
        return
    rows = [[each.name, str(each.nodes), each.doc] for each in sorted(found, key=lambda each: (each.expect.control, each.name))]
    output.table([Column("NAME"), Column("NODES"), Column("WHAT")], rows)


def add_to(app: typer.Typer) -> None:
    """To the `quorate chaos` commands."""
    app.command("run", cls=VerifyCommand)(run)
    app.command("scenarios")(scenarios)
