"""What nodes said to one another around the first violation, as Lamport drew it: a line of life for each, an arrow for each frame.

Time runs down, one row for each event: the order is exact, distances are not, and the margin has the times. A frame that was lost
ends in a cross, a second copy is dashed, one that was held waits at a wall, a damaged one is marked.
Source of the form: Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from markupsafe import Markup

from quorate.cluster.chaos.record import CLIENT, Flight, Ms, RunRecord
from quorate.cluster.chaos.report.scale import NS_PER_MS, WIDTH, span
from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import element

FRAMES_MAX = 60
"""Drawn ones; what follows from more arrows than that, nobody sees."""
BEFORE = 0.75
"""The part of them that lies before the violation: causes come first."""
PROCESSES_MAX = 6
"""Clients with a line of their own."""
ROW = 17.0
HEAD = 34.0
MARGIN = 104.0
"""For the times."""
BAR = 7.0
NODE_WEIGHT = 2.2
LIFTED = 3.0
"""Words stand above the arrow that they are of."""
COLUMNS = 26
"""Of the words of an operation."""


@dataclass(slots=True)
class Row:
    """One event: something is sent, arrives, is called or returns."""

    at_ms: Ms
    order: int
    """Of what happened in one moment what is sent stands first."""
    lane: str
    said: str = ""
    rightward: bool = True
    """On which side of the lane that is said."""
    y: float = 0.0


def _time(row: Row) -> Ms:
    return row.at_ms


@dataclass(slots=True)
class Chart:
    """Where everything stands."""

    lanes: list[str]
    """From left to right: clients, then nodes."""
    nodes: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> Row:
        self.rows.append(row)
        return row

    def settle(self) -> None:
        self.rows.sort(key=lambda row: (row.at_ms, row.order))
        for number, row in enumerate(self.rows):
            row.y = HEAD + ROW * (number + 0.5)

    def y_of(self, ms: Ms) -> float:
        """Of a moment that may be no event's: before the first event that is not earlier."""
        return HEAD + ROW * bisect_left(self.rows, ms, key=_time)

    def y_after(self, ms: Ms) -> float:
        """The same, behind all that happened in it."""
        return HEAD + ROW * bisect_right(self.rows, ms, key=_time)

    def width(self, lane: str) -> float:
        """Between nodes there is more to be drawn than beside clients."""
        weights = {each: NODE_WEIGHT if each in self.nodes else 1.0 for each in self.lanes}
        return (WIDTH - MARGIN) * weights[lane] / sum(weights.values())

    def x(self, lane: str) -> float:
        before = self.lanes[: self.lanes.index(lane)]
        return MARGIN + sum(map(self.width, before)) + self.width(lane) / 2

    @property
    def bottom(self) -> float:
        return HEAD + ROW * len(self.rows)


@dataclass(frozen=True, slots=True)
class Lamport:
    """The drawing, and what it does not show."""

    drawing: Markup
    drawn: int
    earlier: int
    later: int
    hidden_processes: int

    @property
    def missing(self) -> str:
        """In words; nothing if all is drawn."""
        said = []
        if self.earlier or self.later:
            total = self.drawn + self.earlier + self.later
            left = ", ".join(f"{number:,} {where}" for number, where in ((self.earlier, "earlier"), (self.later, "later")) if number)
            said.append(f"Drawn: {self.drawn:,} of {words.counted(total, 'frame')}, those nearest to the violation. Not drawn: {left}.")
        if self.hidden_processes:
            said.append(f"{words.counted(self.hidden_processes, 'more client')} in this time not drawn.")
        return " ".join(said)


def lamport(record: RunRecord) -> Lamport | None:
    """None where no frames are known."""
    frames = sorted(record.frames, key=lambda flight: flight.sent_ms)
    if not frames:
        return None
    centre = record.violation_ms if record.violation_ms is not None else frames[-1].sent_ms
    first, last = _window(frames, centre)
    shown = frames[first:last]
    from_ms, until_ms = shown[0].sent_ms, max(flight.arrived_ms or flight.sent_ms for flight in shown)
    until_ms = max(until_ms, centre)
    operations, hidden = _operations(record, from_ms, until_ms, centre)
    processes = sorted({each.process for each in operations})
    spoken = {end for flight in shown for end in flight.link.split(">")}
    chart = Chart([*(_process(each) for each in processes), *([CLIENT] if CLIENT in spoken else []), *record.nodes], record.nodes)
    bars = [_bar_rows(chart, each, from_ms, until_ms) for each in operations]
    arrows = list(_arrow_rows(chart, shown))
    chart.settle()
    return Lamport(_draw(record, chart, bars, arrows), len(shown), first, len(frames) - last, hidden)


def _window(frames: Sequence[Flight], centre: Ms) -> tuple[int, int]:
    """Those around that moment, more before than after it, with nothing left out in between."""
    at = bisect_left([flight.sent_ms for flight in frames], centre)
    first = max(0, min(at - int(FRAMES_MAX * BEFORE), len(frames) - FRAMES_MAX))
    return first, min(len(frames), first + FRAMES_MAX)


def _operations(record: RunRecord, from_ms: Ms, until_ms: Ms, centre: Ms) -> tuple[list[Operation], int]:
    """Those of findings in that time, by the clients that heard something nearest to the centre; and how many clients have no room."""
    found: dict[tuple[int, int], Operation] = {}
    for check in record.checks:
        for finding in check.findings:
            for each in finding.operations:
                if each.called_ns and each.called_ns / NS_PER_MS <= until_ms and _returned_ms(each) >= from_ms:
                    found[each.called, each.process] = each
    by_process: dict[int, list[Operation]] = {}
    for each in sorted(found.values(), key=lambda each: abs(_returned_ms(each) - centre)):
        by_process.setdefault(each.process, []).append(each)
    kept = list(by_process.values())[:PROCESSES_MAX]
    return [each for operations in kept for each in operations], len(by_process) - len(kept)


def _returned_ms(each: Operation) -> Ms:
    """One that never returned may still take effect."""
    return inf if each.returned is None or each.returned_ns is None else each.returned_ns / NS_PER_MS


def _process(number: int) -> str:
    return f"process {number}"


def _bar_rows(chart: Chart, each: Operation, from_ms: Ms, until_ms: Ms) -> tuple[Operation, Row, Row | None]:
    """Its rows; a return that is not known, or comes too late to be drawn, has none."""
    said = words.short(words.operation(each, with_key=True), COLUMNS)
    lane = _process(each.process)
    call = chart.add(Row(max(each.called_ns / NS_PER_MS, from_ms), 0, lane, said))
    returned_ms = _returned_ms(each)
    return each, call, chart.add(Row(returned_ms, 2, lane)) if returned_ms <= until_ms else None


def _arrow_rows(chart: Chart, shown: Iterable[Flight]) -> Iterator[tuple[Flight, Row, Row | None]]:
    """Copies of one frame leave in one row."""
    sent: dict[tuple[str, int], Row] = {}
    for flight in shown:
        key = flight.link, flight.number
        source, _, destination = flight.link.partition(">")
        if key not in sent:
            said = words.visible(f"{flight.type} {flight.term}" if flight.term else flight.type)
            rightward = chart.lanes.index(source) < chart.lanes.index(destination)
            sent[key] = chart.add(Row(flight.sent_ms, 0, source, words.short(said, COLUMNS), rightward))
        yield flight, sent[key], None if flight.arrived_ms is None else chart.add(Row(flight.arrived_ms, 1, destination))


def _draw(
    record: RunRecord,
    chart: Chart,
    bars: list[tuple[Operation, Row, Row | None]],
    arrows: list[tuple[Flight, Row, Row | None]],
) -> Markup:
    drawn = [_life(record, chart, lane) for lane in chart.lanes]
    drawn += [drawing.text(MARGIN - 12, row.y + 4, _moment(row.at_ms), "tick", "end") for row in _first_of_each_time(chart.rows)]
    drawn.append(drawing.text(MARGIN - 12, 18, "ms", "tick", "end"))
    if record.violation_ms is not None:
        y = chart.y_after(record.violation_ms)
        drawn.append(element("g", element("title", "the first violation"), drawing.line(MARGIN, y, WIDTH, y, "violation")))
    drawn += [_bar(chart, *bar) for bar in bars]
    drawn += [_arrow(chart, *arrow) for arrow in arrows]
    drawn += [_label(chart, row) for row in chart.rows if row.said]
    tips = [drawing.arrow_head(f"frame-{fate}") for fate in ("delivered", "duplicated", "held", "corrupted")]
    return drawing.figure(WIDTH, chart.bottom + 10, f"{words.counted(len(arrows), 'frame')} between nodes", element("defs", *tips), *drawn)


def _first_of_each_time(rows: Sequence[Row]) -> Iterator[Row]:
    before = ""
    for row in rows:
        if (said := _moment(row.at_ms)) != before:
            yield row
        before = said


def _moment(ms: Ms) -> str:
    """To a hundredth of a millisecond: frames take not much longer."""
    return f"{ms:,.2f}"


def _life(record: RunRecord, chart: Chart, lane: str) -> Markup:
    """Its name, and what it was meanwhile."""
    x = chart.x(lane)
    name = drawing.text(x, 18, words.short(lane, int(chart.width(lane) / drawing.LETTER) - 1), "lane-name head", "middle")
    parts = [name, drawing.line(x, HEAD - 6, x, chart.bottom, "life")]
    for each in record.roles.get(lane, ()):
        top, bottom = chart.y_of(each.start_ms), min(chart.y_of(each.end_ms), chart.bottom)
        if each.state != "follower" and top < bottom:
            said = f"{lane}: {each.state}, term {each.term}"
            parts.append(
                element(
                    "g",
                    element("title", said),
                    drawing.box(x - 4, max(top, HEAD - 6), 8, bottom - max(top, HEAD - 6), f"role {each.state}"),
                )
            )
    return drawing.group(*parts)


def _bar(chart: Chart, each: Operation, call: Row, back: Row | None) -> Markup:
    x, top = chart.x(_process(each.process)), call.y
    bottom = back.y if back is not None else chart.bottom
    whole = f"{words.short(words.operation(each, with_key=True), words.CELL_COLUMNS)}\n{words.OUTCOMES[each.outcome]}"
    return element(
        "g",
        element("title", whole),
        drawing.box(x - BAR / 2, top, BAR, max(bottom - top, 4), "asked" if back is not None else "asked open"),
    )


def _arrow(chart: Chart, flight: Flight, sent: Row, arrived: Row | None) -> Markup:
    source, _, destination = flight.link.partition(">")
    x1, x2, y1 = chart.x(source), chart.x(destination), sent.y
    rightward = 1 if x2 > x1 else -1
    x1, x2 = x1 + 4 * rightward, x2 - 5 * rightward
    took = "" if flight.arrived_ms is None else f", arrived after {span(flight.arrived_ms - flight.sent_ms)}"
    parts = [element("title", f"{flight.link}: {flight.type}, term {flight.term}, frame {flight.number}\n{flight.fate}{took}")]
    middle = x1 + (x2 - x1) * 0.55
    if arrived is None:
        # What is still under way fades out of the drawing as what was lost ends in it: neither is at its destination.
        parts.append(_path(f"M{x1:.1f},{y1:.1f}L{middle:.1f},{y1 + ROW * 0.8:.1f}", flight.fate))
        parts.append(_end(middle, y1 + ROW * 0.8, flight.fate))
    elif flight.fate == "held":
        y2 = arrived.y
        wall = max(y1 + 4, y2 - ROW * 0.8)
        route = f"M{x1:.1f},{y1:.1f}L{middle:.1f},{y1 + 4:.1f}V{wall:.1f}L{x2:.1f},{y2:.1f}"
        parts += [_path(route, "held", tip=True), _end(middle, y1 + 4, "held")]
    else:
        y2 = arrived.y
        parts.append(_path(f"M{x1:.1f},{y1:.1f}L{x2:.1f},{y2:.1f}", flight.fate, tip=True))
        if flight.fate == "corrupted":
            parts.append(_end(middle, y1 + (y2 - y1) * 0.55, "corrupted"))
    return element("g", *parts, class_=f"flight {flight.fate}")


def _label(chart: Chart, row: Row) -> Markup:
    x, y = chart.x(row.lane), row.y - LIFTED
    return drawing.text(x + 9, y, row.said, "frame-name") if row.rightward else drawing.text(x - 9, y, row.said, "frame-name", "end")


def _path(route: str, fate: str, *, tip: bool = False) -> Markup:
    return element("path", d=route, class_="flight-line", marker_end=f"url(#frame-{fate})" if tip else None)


def _end(x: float, y: float, fate: str) -> Markup:
    """How a frame ends, or what happens to it on its way."""
    match fate:
        case "dropped":
            return element("path", d=f"M{x - 4:.1f},{y - 4:.1f}l8,8m0,-8l-8,8", class_="lost")
        case "held":
            return drawing.box(x - 1.5, y - 6, 3, 12, "wall", 0)
        case "corrupted":
            return element("path", d=f"M{x:.1f},{y - 6:.1f}l6,6l-6,6l-6,-6z", class_="damage")
    return element("circle", cx=x, cy=y, r=2.5, class_="under-way")
