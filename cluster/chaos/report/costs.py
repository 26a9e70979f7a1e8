"""What each fault cost, where it happened on the axis: fault to first error, fault to a new leader, heal to first success."""

from collections.abc import Iterator
from itertools import zip_longest

from markupsafe import Markup

from quorate.cluster.chaos.record import FaultBand, Gap, RunRecord
from quorate.cluster.chaos.report.scale import TITLE, WIDTH, Panel, Scale, row_name, span, title
from quorate.cluster.verify.report import drawing
from quorate.cluster.verify.report.drawing import element, width_of

ROW = 16.0
LEAST = 2.5
LANES = (("error", "to first error"), ("election", "to a new leader"), ("success", "heal to success"))


def costs(record: RunRecord, scale: Scale, top: float) -> Panel:
    marks = [mark for gap, band in gaps(record) for mark in _marks(gap, band)]
    if not marks:
        return Panel(Markup(""), top)
    drawn, y = [title(top, "What the faults cost")], top + TITLE
    for lane, name in LANES:
        drawn.append(row_name(y, ROW, name))
        bars = [
            (scale.x(start), max(scale.width(start, start + lasted), LEAST), lasted, why) for of, start, lasted, why in marks if of == lane
        ]
        bars.sort(key=lambda bar: bar[0])
        for (x, width, lasted_ms, why), following in zip_longest(bars, bars[1:]):
            label, room = span(lasted_ms), (WIDTH if following is None else following[0]) - x - width
            fits = room >= width_of(label, drawing.LETTER_SMALL) + 8
            drawn.append(
                element(
                    "g",
                    element("title", f"{why}: {label}"),
                    drawing.box(x, y + 3, width, ROW - 6, f"cost {lane}", 2),
                    drawing.text(x + width + 5, y + 12, label, "tick") if fits else "",
                )
            )
        y += ROW
    return Panel(drawing.group(*drawn), y + 2)


def gaps(record: RunRecord) -> list[tuple[Gap, FaultBand]]:
    bands = {band.id: band for band in record.faults}
    return [(gap, bands[gap.fault]) for gap in record.gaps]


def _marks(gap: Gap, band: FaultBand) -> Iterator[tuple[str, float, float, str]]:
    """(lane, from when, for how long, what)."""
    if gap.first_error_ms is not None:
        yield "error", band.start_ms, gap.first_error_ms, f"{band.text}: until the first error"
    if gap.election_ms is not None:
        yield "election", band.start_ms, gap.election_ms, f"{band.text}: until another node led"
    if gap.heal_to_first_success_ms is not None and band.end_ms is not None:
        yield "success", band.end_ms, gap.heal_to_first_success_ms, f"{band.text} had ended: until the first success"
