"""The time line of a finding: a lane per process, a bar per operation from its call to its return, numbered points where it takes effect.

The axis keeps the order of all calls, returns and points, and not the distances between them: it is stretched so that every label
has room. Where not everything fits, the operations nearest to the failure are drawn, and the others are counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from markupsafe import Markup

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import Lane, element, group, width_of
from quorate.cluster.verify.verdict import Finding

WIDTH = 1150
"""What a page of 1280 px has room for."""
DRAWN_MAX = 60
"""More bars than this say nothing to anyone."""
LABEL_COLUMNS = 34
LABEL_COLUMNS_WIDE = 76
"""Where all that is drawn has room for it."""
GAP = 12.0
STRETCH_MAX = 4.0
STEP_GAP = 17.0
"""Between two numbered points, so that the line that joins them can be followed."""
HEAD = 34.0
"""Room above the lanes for what is said of the place of failure, where there is one."""
HEAD_PLAIN = 4.0
BAR = 12.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The drawing, and how many operations of the finding it does not show."""

    drawing: Markup
    shown: frozenset[int]
    """Positions of those that are drawn."""
    earlier: int
    """Called before the first one that is drawn."""
    later: int
    """Called after the last one that is drawn."""
    between: int

    @property
    def drawn(self) -> int:
        return len(self.shown)

    @property
    def left_out(self) -> int:
        return self.earlier + self.later + self.between


@dataclass(slots=True)
class Bar:
    """One operation that is drawn."""

    index: int
    """Its position among the finding's operations."""
    operation: Operation
    role: str
    label: str
    state: str = ""
    step: int = 0
    """Its number in the longest partial order, from 1; 0 where it has none."""
    left: float = 0.0
    right: float = 0.0
    point: float = 0.0
    row: int = 0

    @property
    def room(self) -> float:
        return max(width_of(self.label), width_of(self.state, drawing.LETTER_SMALL), 2 * GAP) + 2


@dataclass(slots=True)
class Layout:
    """Where everything stands along the axis."""

    bars: list[Bar]
    left: float
    right: float = 0.0
    frontier: float | None = None
    marks: list[tuple[float, int]] = field(default_factory=list)
    """(x, time in ns) of every call and return."""

    @property
    def head(self) -> float:
        return HEAD_PLAIN if self.frontier is None else HEAD

    @property
    def width(self) -> float:
        return self.right + GAP

    def stretch(self) -> None:
        """Use the room there is: everything moves apart alike, so nothing that was apart can touch."""
        factor = min((WIDTH - GAP - self.left) / (self.right - self.left), STRETCH_MAX)
        if factor <= 1:
            return

        def x(old: float) -> float:
            return self.left + (old - self.left) * factor

        for bar in self.bars:
            bar.left, bar.right, bar.point = x(bar.left), x(bar.right), x(bar.point)
        self.right = x(self.right)
        self.frontier = None if self.frontier is None else x(self.frontier)
        self.marks = [(x(old), ns) for old, ns in self.marks]


def timeline(finding: Finding, names: Mapping[int, str], anchor: str) -> Timeline:
    """`names`: short ones of some operations, such as T1, by the position of the call; `anchor` is unique in a page."""
    ranked = _by_interest(finding)
    shown = ranked[:1]
    layout = _layout(finding, shown, names)
    for count in range(2, min(len(ranked), DRAWN_MAX) + 1):
        wider = _layout(finding, ranked[:count], names)
        if wider.width > WIDTH:
            break
        shown, layout = ranked[:count], wider
    if (wider := _layout(finding, shown, names, LABEL_COLUMNS_WIDE)).width <= WIDTH:
        layout = wider
    layout.stretch()
    chosen = frozenset(shown)
    left_out = [index for index in range(len(finding.operations)) if index not in chosen]
    first, last = min(shown), max(shown)
    return Timeline(
        drawing=_draw(finding, layout, anchor),
        shown=chosen,
        earlier=sum(index < first for index in left_out),
        later=sum(index > last for index in left_out),
        between=sum(first < index < last for index in left_out),
    )


def _by_interest(finding: Finding) -> list[int]:
    """Positions of the operations. First what is stuck (what returns first before others) and the order (its end first), in turns."""

    def return_of(index: int) -> tuple[bool, int]:
        each = finding.operations[index]
        return each.returned is None, each.returned or each.called

    turns = zip_longest(sorted(finding.stuck, key=return_of), reversed(finding.order))
    chosen = [index for turn in turns for index in turn if index is not None]
    taken = set(chosen)
    members = {each.called for edge in finding.cycle for each in (edge.source, edge.target)}
    rest = [index for index in range(len(finding.operations)) if index not in taken]
    return chosen + sorted(rest, key=lambda index: (finding.operations[index].called not in members, finding.operations[index].called))


def _bars(finding: Finding, shown: Sequence[int], names: Mapping[int, str], columns: int) -> list[Bar]:
    steps = {index: number for number, index in enumerate(finding.order, 1)}
    stuck = set(finding.stuck)
    bars = []
    for index in sorted(shown, key=lambda index: finding.operations[index].called):
        each = finding.operations[index]
        step = steps.get(index, 0)
        name = f"{names[each.called]} " if each.called in names else ""
        role = "stuck" if index in stuck else "placed" if step else "failed" if each.outcome is Outcome.FAILED else "plain"
        # What the members of a cycle did stands in its own drawing.
        said = "" if name and finding.cycle else words.operation(each, with_key=each.key != finding.key)
        label = words.short((name + said).strip(), columns)
        state = finding.states[step - 1] if 0 < step <= len(finding.states) else ""
        bars.append(Bar(index, each, role, label, words.short(words.visible(state), columns), step))
    return bars


def _layout(finding: Finding, shown: Sequence[int], names: Mapping[int, str], columns: int = LABEL_COLUMNS) -> Layout:
    """One walk over calls, points and returns in their order; each stands as far left as its neighbours and labels allow."""
    bars = _bars(finding, shown, names, columns)
    margin = max(width_of(_lane_name(bar.operation)) for bar in bars) + 24
    layout = Layout(bars, left=margin)
    events: list[tuple[int, int, int, Bar | None]] = []
    latest, points = 0, {}
    for number, index in enumerate(finding.order, 1):
        # As early as it can be: right after the last call among all operations up to this one.
        latest = max(latest, finding.operations[index].called)
        points[number] = latest
    for bar in bars:
        events.append((bar.operation.called, 1, 0, bar))
        if bar.step:
            events.append((points[bar.step], 2, bar.step, bar))
        if bar.operation.returned is not None:
            events.append((bar.operation.returned, 3, 0, bar))
    returns = [bar.operation.returned for bar in bars if bar.role == "stuck" and bar.operation.returned is not None]
    if returns:
        events.append((min(returns), 0, 0, None))
    _place(layout, sorted(events, key=lambda event: event[:3]))
    return layout


def _place(layout: Layout, events: list[tuple[int, int, int, Bar | None]]) -> None:
    x, last_point = layout.left, layout.left - STEP_GAP
    lane_ends: dict[int, list[float]] = {}
    for position, (_, kind, _, bar) in enumerate(events):
        x += GAP if position else 0
        if bar is None:
            layout.frontier = x = x + GAP
            x += GAP
        elif kind == 1:
            ends = lane_ends.setdefault(bar.operation.process, [])
            # An operation of unknown outcome never ends: what its process does next has a row of its own.
            bar.row = next((row for row, end in enumerate(ends) if end < x), len(ends))
            ends[bar.row : bar.row + 1] = [float("inf")]
            bar.left = x
            layout.marks.append((x, bar.operation.called_ns))
        elif kind == 2:
            bar.point = last_point = x = max(x, last_point + STEP_GAP, bar.left + GAP)
        else:
            bar.right = x = max(x, bar.left + bar.room, bar.point + GAP)
            lane_ends[bar.operation.process][bar.row] = x
            layout.marks.append((x, bar.operation.returned_ns or 0))
    layout.right = max([x + GAP, *(bar.left + bar.room + 2 * GAP for bar in layout.bars if bar.operation.returned is None)])
    for bar in layout.bars:
        if bar.operation.returned is None:
            bar.right = layout.right


def _lane_name(each: Operation) -> str:
    return f"process {each.process}"


def _lanes(bars: list[Bar], top: float) -> dict[int, Lane]:
    row = 52.0 if any(bar.step for bar in bars) else 38.0
    lanes: dict[int, Lane] = {}
    for process in sorted({bar.operation.process for bar in bars}):
        rows = 1 + max(bar.row for bar in bars if bar.operation.process == process)
        lanes[process] = Lane(f"process {process}", top, rows, row)
        top = lanes[process].bottom
    return lanes


def _draw(finding: Finding, layout: Layout, anchor: str) -> Markup:
    lanes = _lanes(layout.bars, layout.head)
    bottom = max(lane.bottom for lane in lanes.values())
    tops = {bar.index: (lane := lanes[bar.operation.process]).top + bar.row * lane.row for bar in layout.bars}
    placed = sorted((bar for bar in layout.bars if bar.step), key=lambda bar: bar.step)
    joined = " ".join(f"{bar.point:.1f},{tops[bar.index] + 26:.1f}" for bar in placed)
    return drawing.figure(
        round(layout.width),
        bottom + 28,
        f"Time line of {words.counted(len(layout.bars), 'operation')}",
        drawing.axis(bottom + 4, _times(layout), layout.left, layout.width, layout.head),
        *(lane.draw(layout.left, layout.width) for lane in lanes.values()),
        _frontier(finding, layout, bottom),
        element("polyline", points=joined, class_="joined") if len(placed) > 1 else "",
        *(_bar(bar, tops[bar.index], anchor) for bar in layout.bars),
        *(_point(bar, tops[bar.index]) for bar in placed),
        *(
            _cross(layout.frontier, tops[bar.index])
            for bar in layout.bars
            if bar.role == "stuck" and layout.frontier is not None and bar.left < layout.frontier < bar.right
        ),
    )


def _times(layout: Layout) -> list[tuple[float, str]]:
    """Nothing where the history has no times."""
    known = [ns for _, ns in layout.marks if ns]
    if not known:
        return []
    return [(x, words.span(ns)) for x, ns in sorted(layout.marks) if ns or x == layout.left]


def _frontier(finding: Finding, layout: Layout, bottom: float) -> Markup:
    """The moment by which one of the stuck operations must have taken effect."""
    if layout.frontier is None:
        return Markup("")
    state = finding.states[len(finding.order) - 1] if finding.order and len(finding.states) >= len(finding.order) else ""
    subject = words.key(finding.key) or "it"
    said = words.short(f"{subject} {words.visible(state)}; nothing fits" if state else "nothing fits", 2 * LABEL_COLUMNS)
    half = width_of(said) / 2
    x = min(max(layout.frontier, half + 4), layout.width - half - 4)
    return drawing.line(layout.frontier, HEAD - 8, layout.frontier, bottom, "frontier") + drawing.text(
        x, HEAD - 14, said, "frontier-name", "middle"
    )


def _bar(bar: Bar, top: float, anchor: str) -> Markup:
    y = top + 20
    if bar.operation.returned is None:
        tip = bar.right - 7
        outline = f"{bar.left:.1f},{y} {tip:.1f},{y} {bar.right:.1f},{y + BAR / 2} {tip:.1f},{y + BAR} {bar.left:.1f},{y + BAR}"
        shape = element("polygon", points=outline, class_="bar open")
    else:
        shape = drawing.box(bar.left, y, bar.right - bar.left, BAR, "bar")
    # Where the state's text would leave the bar it stands at the bar's end instead of under its point.
    width = width_of(bar.state, drawing.LETTER_SMALL)
    state_x = min(max(bar.point - width / 2, bar.left), max(bar.right - width, bar.left))
    target = f"{anchor}-{bar.index}"
    whole = words.short(words.operation(bar.operation, with_key=True), words.CELL_COLUMNS)
    return element(
        "a",
        element("title", f"{whole}\nprocess {bar.operation.process}, {words.OUTCOMES[bar.operation.outcome]}"),
        drawing.text(bar.left, top + 14, bar.label, "bar-name"),
        shape,
        drawing.text(state_x, top + 45, bar.state, "state") if bar.state else "",
        href=f"#{target}",
        class_=f"operation {bar.role}",
        data_operation=target,
    )


def _point(bar: Bar, top: float) -> Markup:
    half = max(9.0, width_of(str(bar.step), drawing.LETTER_SMALL) / 2 + 3)
    return group(
        drawing.box(bar.point - half, top + 17, 2 * half, 18, "point", 9),
        drawing.text(bar.point, top + 30, str(bar.step), "point-name", "middle"),
    )


def _cross(x: float, top: float) -> Markup:
    y = top + 26
    return group(
        element("circle", cx=x, cy=y, r=9, class_="cross"),
        element("path", d=f"M{x - 4:.1f},{y - 4}l8,8m0,-8l-8,8", class_="cross-mark"),
    )
