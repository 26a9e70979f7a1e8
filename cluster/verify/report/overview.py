"""The whole history at a glance: how many operations were called in each stretch of time, by outcome, and where it failed.

Every operation of the history is in it, so that a reader sees how large a part the other drawings show.
"""

from collections.abc import Sequence

from markupsafe import Markup

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import element, group

WIDTH = 1150.0
HEIGHT = 64.0
HEAD = 22.0
"""Room above the columns for the marks of the findings."""
LEFT = 64.0
STRETCHES_MAX = 120
MARKS_MAX = 9


class Scale:
    """Positions along the axis: by time where every operation has one, else by the order of events."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self.by_time = all(each.called_ns for each in operations[1:])
        self.low = min(map(self.at, operations))
        self.high = max(map(self.at, operations))

    def at(self, each: Operation) -> int:
        return each.called_ns if self.by_time else each.called

    def x(self, value: float) -> float:
        return LEFT + (value - self.low) / (self.high - self.low) * (WIDTH - LEFT)

    def words(self, value: float) -> str:
        return words.span(round(value)) if self.by_time else f"event {round(value):,}"


def overview(history: History, failures: Sequence[tuple[str, Operation]]) -> Markup:
    """`failures`: the anchor of each finding that is shown, and an operation where it fails. Nothing where nothing takes time."""
    operations = history.operations
    if not operations or (scale := Scale(operations)).low == scale.high:
        return Markup("")
    stretches = min(STRETCHES_MAX, len(operations))
    counts = [dict.fromkeys(Outcome, 0) for _ in range(stretches)]
    for each in operations:
        counts[min((scale.at(each) - scale.low) * stretches // (scale.high - scale.low), stretches - 1)][each.outcome] += 1
    highest = max(sum(count.values()) for count in counts)
    step = (WIDTH - LEFT) / stretches
    base = HEAD + HEIGHT
    marks = [(scale.x(value), scale.words(value)) for value in drawing.round_steps(scale.low, scale.high, MARKS_MAX)]
    return drawing.figure(
        WIDTH,
        base + 26,
        f"All {words.counted(len(operations), 'operation')} of the history",
        drawing.axis(base, marks, LEFT, WIDTH, HEAD),
        drawing.text(LEFT - 10, HEAD + 9, f"{highest:,}", "tick", "end"),
        drawing.text(LEFT - 10, base, "0", "tick", "end"),
        *(_column(LEFT + number * step, step, base, count, highest) for number, count in enumerate(counts)),
        *(_failure(scale.x(scale.at(each)), anchor, base) for anchor, each in failures),
    )


def _column(x: float, width: float, base: float, count: dict[Outcome, int], highest: int) -> Markup:
    """Outcomes stand on each other: what was acknowledged at the bottom."""
    drawn, y = [], base
    for outcome, number in count.items():
        if number:
            height = HEIGHT * number / highest
            y -= height
            drawn.append(drawing.box(x, y, width - 1, height, f"count {outcome.value}", 0))
    said = ", ".join(f"{number:,} {words.OUTCOMES[outcome]}" for outcome, number in count.items() if number)
    return group(element("title", said), *drawn) if drawn else Markup("")


def _failure(x: float, anchor: str, base: float) -> Markup:
    mark = element("path", d=f"M{x - 6:.1f},{HEAD - 14}h12l-6,10z", class_="failure")
    return element(
        "a", element("title", "here it fails"), mark, drawing.line(x, HEAD - 4, x, base, "failure-line"), href=f"#{anchor}", class_="place"
    )
