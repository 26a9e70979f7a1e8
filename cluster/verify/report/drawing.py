"""SVG in small pieces: elements, text whose width is known, lanes, a time axis. It knows nothing of histories.

Two rules. Everything that is put into an element is escaped. Text is set in letters of one width, so that its extent is known
before a browser sees it and nothing needs to overlap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup, escape

from quorate.cluster.verify.report.words import columns

LETTER = 7.25
"""Width of a letter at 12 px: a little more than any common monospaced font takes."""
LETTER_SMALL = 6.65
"""The same at 11 px."""

Attribute = str | int | float | None


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """`class_` becomes class and `data_x` data-x; an attribute that is None is left out."""
    written = Markup("").join(
        Markup(' {}="{}"').format(attribute.rstrip("_").replace("_", "-"), _written(value))
        for attribute, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, inside)


def _written(value: str | int | float) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def figure(width: float, height: float, name: str, *children: str) -> Markup:
    """`name` is what a screen reader says of the whole."""
    return element(
        "svg",
        *children,
        xmlns="http://www.w3.org/2000/svg",
        role="group",
        aria_label=name,
        width=width,
        height=height,
        viewBox=f"0 0 {_written(width)} {_written(height)}",
    )


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    return element("text", words, x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def box(x: float, y: float, width: float, height: float, class_: str, radius: float = 3) -> Markup:
    return element("rect", x=x, y=y, width=max(width, 0.5), height=height, rx=radius, class_=class_)


def group(*children: str, class_: str | None = None, **attributes: Attribute) -> Markup:
    return element("g", *children, class_=class_, **attributes)


def arrow_head(name: str) -> Markup:
    """To be named by `marker-end: url(#name)`."""
    tip = element("path", d="M0,0 L8,4 L0,8 z", class_="tip")
    return element("marker", tip, id=name, viewBox="0 0 8 8", refX=7, refY=4, markerWidth=8, markerHeight=8, orient="auto")


def width_of(words: str, letter: float = LETTER) -> float:
    return columns(words) * letter


def round_steps(low: float, high: float, count_max: int) -> Iterator[float]:
    """Round numbers from low to high, at most that many: 0, 200, 400 ... for an axis."""
    if high <= low:
        yield low
        return
    rough = (high - low) / max(count_max - 1, 1)
    power = 10.0 ** floor(log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    at = -(-low // step) * step
    while at <= high:
        yield at
        at += step


@dataclass(frozen=True, slots=True)
class Lane:
    """A named band of a drawing, from `top`; each of its rows is as high as `row`."""

    name: str
    top: float
    rows: int
    row: float

    @property
    def bottom(self) -> float:
        return self.top + self.rows * self.row

    def draw(self, left: float, right: float) -> Markup:
        """Its name in the margin before `left`, and a line above it."""
        name = text(left - 10, (self.top + self.bottom) / 2 + 4, self.name, "lane-name", "end")
        return line(0, self.top, right, self.top, "lane") + name


def axis(y: float, marks: list[tuple[float, str]], left: float, right: float, top: float) -> Markup:
    """A line of time with its marks, each carried up to `top`; a mark whose label would touch the one before it is left out."""
    drawn = [line(left, y, right, y, "axis")]
    free_from = left - 2 * LETTER
    for x, words in marks:
        half = width_of(words, LETTER_SMALL) / 2
        if x - half >= free_from and x + half <= right + LETTER:
            drawn.append(line(x, top, x, y + 4, "grid"))
            drawn.append(text(x, y + 17, words, "tick", "middle"))
            free_from = x + half + 2 * LETTER
    return group(*drawn)
