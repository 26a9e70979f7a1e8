"""A cycle of transactions: a box per transaction with its steps, an arrow per dependency with its kind.

The boxes stand in two columns, down the right one and up the left one, so that a cycle of any length fits the width of a page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import group, width_of
from quorate.cluster.verify.verdict import Edge

DRAWN_MAX = 24
"""Longer cycles are told in sentences only, and the page says so."""
STEPS_MAX = 9
"""Lines in a box; the table below the drawing has them all."""
STEP_COLUMNS = 46
BETWEEN_COLUMNS = 190.0
BETWEEN_ROWS = 58.0
LINE = 18.0
PADDING = 12.0
BESIDE = 17.0
"""How far the two arrows of a pair stand apart from the line between the centres."""


@dataclass(slots=True)
class Box:
    """One transaction, and where it stands."""

    tag: str
    operation: Operation
    lines: list[str]
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        return 2 * PADDING + LINE * (1 + len(self.lines))

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def title(self) -> str:
        where = f", line {self.operation.line}" if self.operation.line else ""
        return f"process {self.operation.process}{where}"


def members(cycle: Sequence[Edge]) -> list[Operation]:
    """The transactions of the cycle, each once, in its order."""
    return list({edge.source.called: edge.source for edge in cycle}.values())


def draw(cycle: Sequence[Edge], names: Mapping[int, str], anchor: str) -> Markup:
    """Nothing where there is no cycle, or one too long to be drawn. `names` by the position of the call; `anchor` is unique in a page."""
    if not 2 <= len(cycle) <= DRAWN_MAX:
        return Markup("")
    boxes = [_box(names.get(each.called, ""), each) for each in members(cycle)]
    width, height = _place(boxes)
    placed = {box.operation.called: box for box in boxes}
    head = f"{anchor}-tip"
    return drawing.figure(
        round(width),
        round(height),
        f"Cycle of {words.counted(len(boxes), 'transaction')}",
        drawing.element("defs", drawing.arrow_head(head)),
        *(_box_drawn(box) for box in boxes),
        *(_arrow(placed[edge.source.called], placed[edge.target.called], edge.kind, head, pair=len(boxes) == 2) for edge in cycle),
    )


def _box(tag: str, each: Operation) -> Box:
    steps = [words.short(step, STEP_COLUMNS) for step in words.parts(each)]
    if len(steps) > STEPS_MAX:
        steps = [*steps[: STEPS_MAX - 1], f"… {words.counted(len(steps) - STEPS_MAX + 1, 'more step')}, see the table"]
    return Box(tag, each, steps)


def _place(boxes: list[Box]) -> tuple[float, float]:
    """Give every box its place; the width and height of all."""
    left_count = len(boxes) // 2
    left, right = [boxes[0], *reversed(boxes[len(boxes) - left_count + 1 :])], boxes[1 : len(boxes) - left_count + 1]
    heights = [sum(box.height for box in column) + BETWEEN_ROWS * (len(column) - 1) for column in (left, right)]
    x = 2.0
    for column, height in zip((left, right), heights):
        width = max(width_of(line) for box in column for line in [f"{box.tag}  {box.title}", *box.lines]) + 2 * PADDING
        y = 2.0 + (max(heights) - height) / 2
        for box in column:
            box.x, box.y, box.width = x, y, width
            y += box.height + BETWEEN_ROWS
        x += width + BETWEEN_COLUMNS
    return x - BETWEEN_COLUMNS + 2, max(heights) + 4


def _box_drawn(box: Box) -> Markup:
    baseline = box.y + PADDING + 13
    return group(
        drawing.box(box.x, box.y, box.width, box.height, "transaction", 8),
        drawing.text(box.x + PADDING, baseline, box.tag, "tag"),
        drawing.text(box.x + PADDING + width_of(box.tag + "  "), baseline, box.title, "whose"),
        *(drawing.text(box.x + PADDING, baseline + LINE * number, words_, "step") for number, words_ in enumerate(box.lines, 1)),
        class_="member",
    )


def _arrow(source: Box, target: Box, kind: str, head: str, *, pair: bool) -> Markup:
    (x1, y1), (x2, y2) = source.middle, target.middle
    if pair:
        shift = -BESIDE if source.x < target.x else BESIDE
        y1 = y2 = (y1 + y2) / 2 + shift
    if source.x == target.x:
        down = source.y < target.y
        y1, y2 = (source.y + source.height, target.y) if down else (source.y, target.y + target.height)
        x1 = x2 = max(source.x, 0) + min(source.width, target.width) / 2
    else:
        rightward = source.x < target.x
        x1, x2 = (source.x + source.width, target.x) if rightward else (source.x, target.x + target.width)
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    half = width_of(kind) / 2 + 8
    return group(
        drawing.element("path", d=f"M{x1:.1f},{y1:.1f}L{x2:.1f},{y2:.1f}", class_="dependency", marker_end=f"url(#{head})"),
        drawing.box(middle_x - half, middle_y - 11, 2 * half, 22, "kind-box", 11),
        drawing.text(middle_x, middle_y + 4, kind, "kind", "middle"),
        class_=f"edge {kind if kind.isalpha() else ''}",
    )
