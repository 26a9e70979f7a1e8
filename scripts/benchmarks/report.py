"""What a person reads at the end: the machine, a table for each operation, ratios, CPU, and the targets met or missed.

Figures are medians over rounds with their least and greatest; ratios are medians of the ratios within each round.
"""

from collections.abc import Iterable
from statistics import median

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.cluster import Row
from benchmarks.results import Results
from benchmarks.targets import judge

WIDTH_MIN = 130  # tables stay whole when the output goes to a file
NOTHING = "-"


def spread(values: list[float], digits: int = 1) -> str:
    """The median, and the range where there is one."""
    if not values:
        return NOTHING
    text = f"{median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}..{max(values):,.{digits}f})"


def of_roles(values: list[dict[str, float]], roles: Iterable[str], digits: int) -> str:
    """Medians over rounds for each role, joined: leader / follower / follower."""
    if not values:
        return NOTHING
    return " / ".join(f"{median(value.get(role, 0.0) for value in values):,.{digits}f}" for role in roles)


MEMBERS = ("leader", "follower1", "follower2")


class Report:
    """Prints to standard output."""

    def __init__(self) -> None:
        self._console = Console()
        if self._console.width < WIDTH_MIN:
            self._console = Console(width=WIDTH_MIN)

    def header(self, where: dict[str, object]) -> None:
        self._console.print(
            f"[bold]{where['date']}[/bold]  {where['cores']} x {where['cpu']}, kernel {where['kernel']}, Python {where['python']}\n"
            f"data on {where['file_system']}: fdatasync of 4 KiB p50 {where['fdatasync_p50_ms']} ms, p99 {where['fdatasync_p99_ms']} ms; "
            f"load average {where['load_average']}",
            highlight=False,
        )
        if where["file_system"] in ("tmpfs", "ramfs"):
            self.note("the data lies in memory, where a sync costs nothing: give a folder on a disk with --data")

    def note(self, text: str) -> None:
        self._console.print(f"[yellow]note:[/yellow] {text}", highlight=False)

    def print(self, rows: list[Row]) -> None:
        results = Results(rows)
        for op, title in (("write", "Writes"), ("read", "Linearizable reads")):
            if results.systems(op):
                self._cells(results, op, title)
                self._engines(results, op, title)
                self._ratios(results, op, title)
                self._costs(results, op, title)
        if results.systems("failover"):
            self._failovers(results)
        for op, title in (("state", "State"), ("soak", "Soak: full load for long"), ("verify", "Read back: every acknowledged write")):
            for row in results.rows(op=op):
                self._facts(title if row["system"] == "quorate" else f"{title} ({row['system']})", row)
        self._targets(results)

    def _table(self, title: str, *columns: str) -> Table:
        table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        return table

    def _cells(self, results: Results, op: str, title: str) -> None:
        table = self._table(title, "system", "in flight", f"{op}s/s", "p50 ms", "p99 ms", "longest ms", "errors")
        for in_flight in results.in_flight(op):
            for system in results.systems(op):
                rows = results.rows(op=op, system=system, in_flight=in_flight)
                table.add_row(
                    system,
                    str(in_flight),
                    spread(results.values("ops_per_s", rows), 0),
                    spread(results.values("p50_ms", rows), 2),
                    spread(results.values("p99_ms", rows), 2),
                    f"{max(results.values('max_ms', rows)):,.0f}",
                    str(sum(int(error) for error in results.values("errors", rows))),
                )
            table.add_section()
        self._console.print(table)

    def _costs(self, results: Results, op: str, title: str) -> None:
        """CPU and syncs; medians over rounds."""
        columns = ["system", "in flight", "cores: L / F / F", "client", "fdatasyncs/s: L / F / F"]
        if op == "write":
            columns.append("CPU us a write: client / L / F / F")
        table = self._table(f"{title}: what they cost (L leader, F follower)", *columns)
        for in_flight in results.in_flight(op):
            for system in results.systems(op):
                rows = results.rows(op=op, system=system, in_flight=in_flight)
                cores, syncs, used = (results.by_role(field, rows) for field in ("cpu_cores", "fsyncs_per_s", "cpu_us_per_write"))
                cells = [of_roles(cores, MEMBERS, 2), of_roles(cores, ("client",), 2), of_roles(syncs, MEMBERS, 0)]
                if op == "write":
                    cells.append(of_roles(used, ("client", *MEMBERS), 0))
                table.add_row(system, str(in_flight), *cells)
            table.add_section()
        self._console.print(table)

    def _ratios(self, results: Results, op: str, title: str) -> None:
        others = [system for system in results.systems(op) if not system.startswith("quorate")]
        if not others or "quorate" not in results.systems(op):
            return
        counts = results.in_flight(op)
        columns = [f"{what} at {count}" for what in ("rate", "p99 time") for count in counts]
        table = self._table(f"{title}: quorate / peer", "peer", *columns)
        for peer in others:
            ratios = [results.ratios(field, op, peer, count) for field in ("ops_per_s", "p99_ms") for count in counts]
            table.add_row(peer, *(f"{median(each):.2f}" if each else NOTHING for each in ratios))
        self._console.print(table)

    def _engines(self, results: Results, op: str, title: str) -> None:
        """The other way round than beside peers: what part of Raft's figures an engine reaches."""
        engines = [system for system in results.systems(op) if system.startswith("quorate-")]
        if not engines:
            return
        counts = results.in_flight(op)
        columns = [f"{what} at {count}" for what in ("rate", "p50 time") for count in counts]
        table = self._table(f"{title}: engine / Raft, in the same round", "engine", *columns)
        for engine in engines:
            quotients = [results.quotients(field, op, (engine, "quorate"), count) for field in ("ops_per_s", "p50_ms") for count in counts]
            table.add_row(engine.removeprefix("quorate-"), *(spread(each, 2) for each in quotients))
        self._console.print(table)

    def _failovers(self, results: Results) -> None:
        table = self._table("Failover: kill -9 of the leader under load", "system", "ms without a successful write", "trials")
        for system in results.systems("failover"):
            gaps = results.values("gap_ms", results.rows(op="failover", system=system))
            table.add_row(system, spread(gaps, 0), str(len(gaps)))
        self._console.print(table)

    def _facts(self, title: str, row: Row) -> None:
        """A row whose fields explain themselves."""
        self._console.print(f"[bold]{title}[/bold]", highlight=False)
        table = self._table("", "what", "measured")
        for name, value in row.items():
            if name not in ("system", "op"):
                shown = " / ".join(f"{role} {figure:,}" for role, figure in value.items()) if isinstance(value, dict) else value
                table.add_row(name.replace("_", " "), f"{shown:,}" if isinstance(shown, int | float) else str(shown))
        self._console.print(table)

    def _targets(self, results: Results) -> None:
        targets = list(judge(results))
        table = self._table("Targets", "target", "measured", "")
        for target in targets:
            if target.met is not None:
                table.add_row(target.text, target.measured, "[green]pass[/green]" if target.met else "[red]miss[/red]")
        if table.row_count:
            self._console.print(table)
        unknown = sum(target.met is None for target in targets)
        if unknown:
            self._console.print(f"{unknown} other targets were not measured in this run.", highlight=False)
