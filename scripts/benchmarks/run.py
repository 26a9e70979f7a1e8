"""One run: start what is asked for, measure it in interleaved rounds, read everything back, print, clean up."""

import atexit
import itertools
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TextIO

from benchmarks import machine, peers
from benchmarks.cluster import Cluster, Row, System, cell, failover, fill
from benchmarks.endurance import measure_state, soak
from benchmarks.options import Options
from benchmarks.processes import BenchError, Children, LoadGenerator
from benchmarks.quorate_cluster import CLIENT, Quorate, environment, system_name
from benchmarks.report import Report
from quorate.cluster.compare.subjects import REFERENCE, elects

WARM_UP_IN_FLIGHT = 64
VERIFY_WITHIN_S = 120.0
BETWEEN_CELLS_S = 0.5  # connections, sorting, counters
AROUND_FAILOVER_S = 4.0  # restarting the member that was killed


class Run:
    """The clusters, the systems on them, and the rows that they gave."""

    def __init__(self, options: Options, data: Path, children: Children, json_lines: TextIO | None) -> None:
        self._options = options
        self._data = data
        self._children = children
        self._json_lines = json_lines
        self._clusters: list[Cluster] = []
        self._systems: list[System] = []
        self.rows: list[Row] = []
        self.broken: list[str] = []
        """Peers that a measurement failed on."""

    def emit(self, row: Row) -> None:
        self.rows.append(row)
        if self._json_lines is not None:
            print(json.dumps(row), file=self._json_lines, flush=True)

    def start(self) -> list[str]:
        """Start all clusters and clients and warm them up; notes about what is left out."""
        options = self._options
        there, notes = peers.prepare(options.against, options.clients)
        for engine in options.engines:
            self._start_quorate(engine)
        for peer in there:
            cluster = self._begin(peer.make(self._children, self._data / peer.clients[0][0]))
            for name, command, fails_over in peer.clients:
                self._attach(cluster, name, command, None, fails_over)
        for system in self._systems:
            progress(f"warming up {system.name}")
            fill(system)
            for op, seconds in (("write", options.warm_up_s), ("read", options.warm_up_s / 2)):
                cell(system, op, WARM_UP_IN_FLIGHT, replace(options.pace, warm=0.0, measured=seconds))
        return notes

    def _begin(self, cluster: Cluster) -> Cluster:
        progress(f"starting {cluster.name}")
        self._clusters.append(cluster)
        cluster.start()
        return cluster

    def _start_quorate(self, engine: str = REFERENCE) -> System:
        name = system_name(engine)
        cluster = self._begin(Quorate(self._children, self._data / name, engine))
        return self._attach(cluster, name, list(CLIENT), environment(), elects(engine))

    def _attach(self, cluster: Cluster, name: str, command: peers.Command, env: dict[str, str] | None, fails_over: bool) -> System:
        log = self._data / f"client-{name}.log"
        extra = ["spread"] if isinstance(cluster, Quorate) and self._options.spread_reads else []
        child = self._children.spawn([*command, ",".join(cluster.endpoints), *extra], log, piped=True, env=env)
        system = System(name, cluster, LoadGenerator(child, name, log), fails_over)
        self._systems.append(system)
        return system

    def measure(self) -> None:
        """All rounds. Within each cell the systems take turns, and each round another one begins."""
        options = self._options
        cells = [(op, n) for op in options.ops if op != "failover" for n in options.in_flight]
        trials = options.trials if "failover" in options.ops else 0
        for round_ in range(max(options.rounds if cells else 0, trials)):
            turn = round_ % len(self._systems)
            systems = self._systems[turn:] + self._systems[:turn]
            for op, in_flight in cells if round_ < options.rounds else []:
                for system in systems:
                    progress(f"round {round_ + 1}: {op} at {in_flight} in flight, {system.name}")
                    self._take(system, self._facts(system, op, round_), partial(cell, system, op, in_flight, options.pace))
            for system in systems if round_ < trials else []:
                if system.fails_over:
                    progress(f"failover {round_ + 1}, {system.name}")
                    self._take(system, {"round": round_}, partial(failover, system, options.pace, round_))

    def _take(self, system: System, facts: Row, measure: Callable[[], Row]) -> None:
        """One measurement. A peer or an engine that breaks is left out from then on; Quorate's Raft ends the run."""
        if system.name in self.broken:
            return
        try:
            self.emit(measure() | facts)
        except (BenchError, OSError) as error:
            if system.name == "quorate":
                raise
            self.broken.append(system.name)
            progress(f"{system.name} is left out from now on: {error}")
            _show_logs(self._data, f"client-{system.name}.log", f"{system.cluster.data.name}/log")

    def _facts(self, system: System, op: str, round_: int) -> Row:
        """What else a row must say to be compared with others."""
        ours = isinstance(system.cluster, Quorate)
        spread: Row = {"spread_reads": self._options.spread_reads} if ours and op == "read" else {}
        return {"round": round_} | spread

    def verify(self) -> bool:
        """Read back every key that Quorate acknowledged a write of, on each engine that did not break."""
        intact = True
        for system in self._systems:
            if isinstance(system.cluster, Quorate) and system.name not in self.broken:
                progress(f"reading back every acknowledged write, {system.name}")
                lines = list(system.client.ask("verify", within_s=VERIFY_WITHIN_S))
                self.emit({"system": system.name, "op": "verify"} | json.loads(lines[-1]))
                intact = intact and self.rows[-1]["lost"] == 0
        return intact

    def estimate_s(self) -> float:
        """How long the rounds will take."""
        options, pace = self._options, self._options.pace
        cells = sum(op != "failover" for op in options.ops) * len(options.in_flight) * options.rounds
        failovers = options.trials * sum(system.fails_over for system in self._systems) * ("failover" in options.ops)
        each = pace.warm + pace.measured + BETWEEN_CELLS_S
        return cells * len(self._systems) * each + failovers * (pace.failover + AROUND_FAILOVER_S)

    def endure(self) -> None:
        """--state and --soak: each on a fresh cluster of its own, with nobody else running."""
        options = self._options
        for wanted, name in ((options.state, "state"), (options.soak_s > 0, "soak")):
            if not wanted:
                continue
            self.end()
            self._data = self._data.parent / f"{self._data.name}-{name}"
            self._data.mkdir()
            system = self._start_quorate()
            assert isinstance(system.cluster, Quorate)
            if name == "state":
                self.emit(measure_state(system, system.cluster, options.state_keys, progress))
            else:
                self.emit(soak(system, system.cluster, options.soak_s, options.pace, progress))

    def end(self) -> None:
        self._children.end(*(system.client.child for system in self._systems))
        for cluster in self._clusters:
            cluster.end()
        self._systems.clear()
        self._clusters.clear()


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def _stop(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main(options: Options) -> int:
    """The exit code of scripts/bench."""
    if options.install_peers:
        peers.install()
        return 0
    children = Children()
    folder = Path(tempfile.mkdtemp(prefix="quorate-bench.", dir=options.data))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(children.end_all)  # runs first
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    data = folder / "run"
    data.mkdir()
    report = Report()
    json_lines = options.json.open("w") if options.json is not None else None
    run = Run(options, data, children, json_lines)
    intact = True
    try:
        where = machine.describe(folder)
        report.header(where)
        run.emit({"system": "machine", "op": "environment", **where})
        if options.ops:
            for note in run.start():
                report.note(note)
            progress(f"measuring for about {run.estimate_s() / 60:.0f} minutes")
            run.measure()
            intact = run.verify()
        run.endure()
    except (BenchError, OSError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        if isinstance(error, BenchError):
            _show_logs(folder, "*/*/log", "*/client-*.log")
        return 1
    finally:
        if run.rows[1:]:
            report.print(run.rows)
        if json_lines is not None:
            json_lines.close()
        run.end()
    return 0 if intact and not run.broken else 1


def _show_logs(folder: Path, *patterns: str) -> None:
    """The last lines of logs: the folder will be removed."""
    for log in sorted(itertools.chain.from_iterable(folder.glob(pattern) for pattern in patterns)):
        lines = log.read_text(errors="replace").splitlines()[-5:]
        if lines:
            print(f"--- {log.relative_to(folder)}", *lines, sep="\n", file=sys.stderr)
