"""`quorate chaos report`: the page about a run, from its record.

Its exit codes: 0 the page is written, whatever the run's verdict was; 64 it cannot be written, or the command cannot be understood; 65
the record cannot be read.
"""

from pathlib import Path
from typing import Annotated

import typer

from quorate.cluster.cli import output
from quorate.cluster.cli.exits import Answer, Exit, Misused
from quorate.cluster.cli.options import JsonOption
from quorate.cluster.cli.verification import VerifyCommand


def report(
    record: Annotated[Path, typer.Argument(metavar="RECORD.json", help="What `quorate chaos run` wrote.", show_default=False)],
    to: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.html", help="Default: beside the record, with .html.", show_default=False),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write the page about a chaos run: one HTML file that needs nothing but a browser.

    Verdict and replay command; faults, leaders, operations and latencies on one axis of time; who reached whom at any moment;
    the failing key; what the nodes said to one another around the first violation.

    Exit code 0: the page is written, whatever the verdict. 64: it cannot be written. 65: the file cannot be read, or is no record.

    Examples:

    - `quorate chaos report run.json`
    - `quorate chaos report run.json --output report.html`
    """
    from quorate.cluster.chaos.record import BadRecord, read
    from quorate.cluster.chaos.report.page import write_report

    page = to or record.with_suffix(".html")
    if page == record:
        raise Misused(f"{page} is the record itself; name another file with --output")
    try:
        run = read(record)
    except (BadRecord, OSError) as error:
        said = error.message if isinstance(error, BadRecord) else f"cannot read {record}: {error.strerror or error}"
        output.complain(f"error: {said}")
        raise Answer(Exit.UNREADABLE) from None
    try:
        write_report(run, page)
    except OSError as error:
        raise Misused(f"cannot write {page}: {error.strerror}") from None
    if json:
        output.document({"report": str(page), "verdict": run.verdict.value})
    else:
        output.line(f"{run.verdict.value.upper()}  {run.name}, {run.engine}, seed {run.seed}")
        output.line(f"wrote {page}")


def add_to(chaos: typer.Typer) -> None:
    """`chaos` is the group of commands `quorate chaos ...`."""
    chaos.command("report", cls=VerifyCommand)(report)
