"""The lines of the table: one name for each figure, with its words, unit and digits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from quorate.cluster.compare.figures import Cell, Figure
from quorate.protocols.simulation.measuring.catching import LAG
from quorate.protocols.simulation.measuring.commits import IN_FLIGHT
from quorate.protocols.simulation.measuring.partitions import SHAPES

PAXOS = "paxos"
"""The column of single-decree Paxos, which is no engine."""
CRASHES = {
    "closed.3": "3 nodes, connections close",
    "silent.3": "3 nodes, silence",
    "closed.5": "5 nodes, connections close",
    "silent.5": "5 nodes, silence",
}
"""How a leader dies, in how large a cluster: (closed or silent).(nodes)."""
ALONE = SHAPES[0]
"""The shape in which the leader is cut off: what it acknowledges is on its own disk at most."""
LAGS = (0, 1_000, 100_000)
LAG_NODES = (3, 5)


@dataclass(frozen=True, slots=True)
class Row:
    """One line."""

    key: str
    words: str
    unit: str = ""
    digits: int = 0
    spread: bool = False
    """Chance has a part in it: the table shows the 95th percentile beside the median."""


@dataclass(frozen=True, slots=True)
class Section:
    """Lines that belong together."""

    title: str
    about: str
    rows: tuple[Row, ...]


def shape_key(name: str) -> str:
    return name.replace(", ", " ").replace(" ", "-")


WRITE = Section(
    "A write",
    "alone in a cluster of 3 nodes: the median of 41 writes, so that heartbeats in between do not count; bytes are whole frames",
    (
        Row("write.messages", "messages of a lone write"),
        Row("write.kinds", "which are"),
        Row("write.bytes", "their bytes", "B"),
        Row("write.fsyncs", "fsyncs, all nodes together"),
        Row("write.delays", "message delays from propose to commit, at the leader"),
        Row("write.fsyncs_before", "fsyncs in that path"),
        Row("write.delays.other", "message delays, proposed at another node"),
        Row("write.other", "by way of"),
        Row("both.delays", "message delays, two proposed at once at two nodes, the later one"),
        Row("both.messages", "messages of both"),
        Row("both.fsyncs", "fsyncs of both"),
        *(Row(f"batch.messages.{count}", f"messages a write, {count} in flight", "", 3) for count in IN_FLIGHT[1:]),
        *(Row(f"batch.bytes.{count}", f"bytes a write, {count} in flight", "B", 1) for count in IN_FLIGHT[1:]),
        *(Row(f"batch.fsyncs.{count}", f"fsyncs a write, {count} in flight", "", 3) for count in IN_FLIGHT[1:]),
    ),
)
IDLE = Section(
    "An idle cluster",
    "3 nodes, no clients",
    (Row("idle.messages", "messages a second", "/s", 1), Row("idle.bytes", "bytes a second", "B/s"), Row("idle.kinds", "which are")),
)
READS = Section(
    "Reads",
    "what is promised on reads, and what that costs; a local read costs nothing on any engine and promises no more than some past state",
    (
        Row("read.promise", "a linearizable read rests on"),
        Row("read.delays", "message delays, asked at the leader"),
        Row("read.messages", "messages"),
        Row("read.delays.other", "message delays, asked at another node"),
        Row("read.messages.other", "messages"),
        Row("read.fsyncs", "fsyncs"),
        Row("lease.messages", "messages of a lease read at the leader"),
        Row("lease.bound", "which relies on clocks within this lease", "ms"),
    ),
)
ELECTION = Section(
    "Election after a crash of the leader",
    "one crash for each seed, at a random moment; a message takes 1 ms, an fsync 1 ms; a client asks whoever leads, every ms",
    tuple(
        row
        for case, words in CRASHES.items()
        for row in (
            Row(f"election.{case}.ms", f"{words}: until somebody leads", "ms", 0, True),
            Row(f"election.{case}.served", f"{words}: until the first write is served", "ms", 0, True),
            Row(f"election.{case}.messages", f"{words}: messages until somebody leads", "", 0, True),
            Row(f"election.{case}.rounds", f"{words}: terms, epochs or ballots entered", "", 0, True),
        )
    ),
)
LAGGING = Section(
    "First write with a follower that lags",
    "the leader dies when a follower comes back that missed so many writes of 100 bytes; links carry 1 Gbit/s; with 3 nodes a quorum needs "
    "that follower, with 5 it does not",
    tuple(
        row
        for nodes in LAG_NODES
        for lag in LAGS
        for row in (
            Row(f"lag.{nodes}.{lag}.served", f"{nodes} nodes, {lag:,} behind: new leader to first write", "ms", 1, True),
            Row(f"lag.{nodes}.{lag}.aligned", f"{nodes} nodes, {lag:,} behind: new leader to follower aligned", "ms", 1, True),
        )
    ),
)
CATCHING = Section(
    "Catch-up",
    f"a follower was down for {LAG:,} writes; from its start until it has applied all",
    tuple(
        row
        for way, words in (("log", "by the log"), ("snapshot", "by a snapshot"))
        for row in (
            Row(f"catch.{way}.ms", f"{words}: time", "ms", 0, True),
            Row(f"catch.{way}.messages", f"{words}: messages", "", 0, True),
            Row(f"catch.{way}.kib", f"{words}: sent", "KiB", 0, True),
        )
    ),
)
PARTITIONS = Section(
    "Partitions",
    "links stay cut for 20 s, twenty election timeouts; a client that sees all nodes writes at whoever claims to lead, every 50 ms",
    (
        Row("cut.disks", f"{ALONE.name}: disks that hold a write when it is acknowledged, at least"),
        *(
            row
            for shape in SHAPES
            for row in (
                Row(f"cut.{shape_key(shape.name)}.available", f"{shape.name} ({shape.nodes} nodes): available", "%", 0),
                Row(f"cut.{shape_key(shape.name)}.gap", f"{shape.name}: longest gap", "ms", 0),
                Row(f"cut.{shape_key(shape.name)}.changes", f"{shape.name}: leader changes", "", 0),
                Row(f"cut.{shape_key(shape.name)}.leader", f"{shape.name}: leads at the end"),
            )
        ),
    ),
)
LIVE = Section(
    "Live nodes",
    "3 processes an engine on this machine, default settings, one client process; rounds in turn, so that a busy moment meets every engine",
    (
        *(Row(f"live.rate.{count}", f"writes a second, {count} in flight", "/s") for count in IN_FLIGHT),
        *(Row(f"live.ratio.{count}", f"part of Raft's, {count} in flight", "x", 2) for count in IN_FLIGHT),
        *(Row(f"live.p50.{count}", f"p50 latency, {count} in flight", "ms", 2) for count in IN_FLIGHT),
        *(Row(f"live.p99.{count}", f"p99 latency, {count} in flight", "ms", 2) for count in IN_FLIGHT),
        *(Row(f"live.fsyncs.{count}", f"fsyncs a write (all nodes), {count} in flight", "", 3) for count in IN_FLIGHT),
        *(Row(f"live.log.{count}", f"bytes logged a write (all nodes), {count} in flight", "B") for count in IN_FLIGHT),
        Row("live.gap", "kill -9 of the leader under load: longest time without a write", "ms"),
    ),
)
SECTIONS = (WRITE, IDLE, READS, ELECTION, LAGGING, CATCHING, PARTITIONS, LIVE)


@dataclass(slots=True)
class Results:
    """All that was measured, and why the rest was not."""

    engines: tuple[str, ...]
    cells: dict[str, dict[str, Cell]] = field(default_factory=dict)
    """By row, then by engine."""
    missing: list[tuple[str, str]] = field(default_factory=list)
    """(what, why)."""
    facts: dict[str, str] = field(default_factory=dict)
    """Machine, versions, options."""

    def put(self, key: str, engine: str, cell: Cell) -> None:
        self.cells.setdefault(key, {})[engine] = cell

    def get(self, key: str, engine: str) -> Cell | None:
        return self.cells.get(key, {}).get(engine)

    def figure(self, key: str, engine: str) -> Figure | None:
        """What was counted there; None if nothing, or only words."""
        cell = self.get(key, engine)
        return cell if isinstance(cell, Figure) else None

    def columns(self, rows: Iterable[Row] | None = None) -> tuple[str, ...]:
        """The engines, and single-decree Paxos beside them where it was run; with `rows`, where it has a part in these."""
        keys = list(self.cells) if rows is None else [row.key for row in rows]
        beside = any(PAXOS in self.cells.get(key, {}) for key in keys)
        return (*self.engines, PAXOS) if beside else self.engines

    def sections(self) -> Iterator[tuple[Section, list[Row]]]:
        """Those of which something was measured, with the lines that have anything to show."""
        for section in SECTIONS:
            rows = [row for row in section.rows if self.cells.get(row.key)]
            if rows:
                yield section, rows
