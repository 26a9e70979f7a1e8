"""The one axis of time that all panels of a run share, and what they are set with."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from quorate.cluster.chaos.record import Ms
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import element, width_of

WIDTH = 1150.0
"""What a page of 1280 px, or of 1200 with little margins, has room for."""
LEFT = 132.0
NAME_COLUMNS = 16
"""Of what stands in the margin."""
TITLE = 28.0
MARKS_MAX = 13
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """From ms since the run's start to positions across the page."""

    duration_ms: Ms

    def x(self, ms: Ms) -> float:
        return LEFT + min(max(ms / self.duration_ms, 0.0), 1.0) * (WIDTH - LEFT)

    def width(self, start_ms: Ms, end_ms: Ms) -> float:
        return self.x(end_ms) - self.x(start_ms)

    def marks(self) -> list[tuple[float, str]]:
        """For an axis: round times."""
        return [(self.x(ms), span(ms)) for ms in drawing.round_steps(0.0, self.duration_ms, MARKS_MAX)]


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the drawing, from its top down to `bottom`."""

    drawn: Markup
    bottom: float


def span(ms: Ms) -> str:
    """A time for people: "431 ms", "7.41 s"."""
    return words.span(round(ms * NS_PER_MS))


def title(top: float, name: str, aside: str = "") -> Markup:
    """The head of a panel; TITLE high."""
    said = drawing.text(0, top + 17, name, "panel-name")
    return said + drawing.text(width_of(name) + 14, top + 17, aside, "tick") if aside else said


def row_name(top: float, height: float, name: str, whole: str = "") -> Markup:
    """In the margin; `whole` is what a pointer shows, where the name says less."""
    shown = words.short(words.visible(name), NAME_COLUMNS)
    said = whole or (name if shown != name else "")
    label = drawing.text(LEFT - 10, top + height / 2 + 4, shown, "lane-name", "end")
    return element("g", element("title", said), label) if said else label


def fitting(text: str, width: float, *, least: int = 4) -> str:
    """Its beginning, as far as it fits; nothing if that says nothing."""
    columns = int((width - 8) / drawing.LETTER_SMALL)
    if words.columns(text) <= columns:
        return text
    if columns < least:
        return ""
    while words.columns(text) >= columns:
        text = text[:-1]
    return f"{text}…"


def line_through(points: Sequence[tuple[float, float] | None]) -> str:
    """The path through these points; None interrupts it. A point that stands alone is a short stroke, so that it is seen."""
    path: list[str] = []
    begun = False
    for at, point in enumerate(points):
        if point is None:
            begun = False
            continue
        x, y = point
        path.append(f"{'L' if begun else 'M'}{x:.1f},{y:.1f}")
        if not begun and (at + 1 == len(points) or points[at + 1] is None):
            path.append("h1.5")
        begun = True
    return "".join(path)
