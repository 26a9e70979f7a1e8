"""The drawings of the page: bars with their values, distributions as the share of samples up to a value, lines over the load.

The rule it keeps: an engine has one colour in all drawings, and no drawing needs its colours to be read: bars carry names, lines a key.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log10

from markupsafe import Markup

from quorate.cluster.compare.figures import Figure, number
from quorate.cluster.verify.report import drawing
from quorate.cluster.verify.report.drawing import element, group

WIDTH = 530.0
BAR = 16.0
BAR_STEP = 21.0
GROUP_GAP = 14.0
HEIGHT = 200.0
LEFT = 58.0
RIGHT = 24.0
TOP = 14.0
BOTTOM = 42.0
MARKS_MAX = 7
Y_MARKS_MAX = 5

Group = tuple[str, Sequence[tuple[str, Figure]]]
"""What the bars are about, and (engine, figure) for each."""


def colour(engines: Sequence[str], engine: str) -> str:
    return f"s{engines.index(engine)}"


def bars(title: str, engines: Sequence[str], groups: Sequence[Group], digits: int = 0) -> Markup:
    """Horizontal bars of medians; a thin line shows from the least to the greatest sample."""
    most = max((figure.greatest for _, each in groups for _, figure in each), default=0.0) or 1.0
    names = max((drawing.width_of(engine) for engine in engines), default=0.0) + 14
    values = max(drawing.width_of(number(figure.median, digits)) for _, each in groups for _, figure in each) + 10
    length = WIDTH - names - values
    drawn, y = [], 4.0
    for words, each in groups:
        if words:
            drawn.append(drawing.text(0, y + 12, words, "group"))
            y += BAR_STEP
        for engine, figure in each:
            wide = length * figure.median / most
            said = f"{engine}: {number(figure.median, digits)}, from {number(figure.least, digits)} to {number(figure.greatest, digits)}"
            parts = [
                element("title", said),
                drawing.text(names - 8, y + 12, engine, "", "end"),
                drawing.box(names, y, wide, BAR, f"bar {colour(engines, engine)}", 2),
            ]
            if figure.least != figure.greatest:
                middle = y + BAR / 2
                parts.append(
                    drawing.line(names + length * figure.least / most, middle, names + length * figure.greatest / most, middle, "range")
                )
            ends = names + max(wide, length * figure.greatest / most)
            parts.append(drawing.text(ends + 6, y + 12, number(figure.median, digits)))
            drawn.append(group(*parts))
            y += BAR_STEP
        y += GROUP_GAP
    return drawing.figure(WIDTH, y - GROUP_GAP + 4, title, *drawn)


def distribution(title: str, engines: Sequence[str], samples: Mapping[str, Figure], unit: str) -> Markup:
    """For each engine which share of its samples is at most so large."""
    high = max(figure.greatest for figure in samples.values()) * 1.02 or 1.0
    inner = WIDTH - LEFT - RIGHT
    base = TOP + HEIGHT

    def x(value: float) -> float:
        return LEFT + inner * value / high

    drawn = _frame([(x(value), f"{value:,.0f} {unit}") for value in drawing.round_steps(0, high, MARKS_MAX)])
    drawn += [_level(base - HEIGHT * share, f"{share:.0%}") for share in (0, 0.5, 1)]
    for engine, figure in samples.items():
        ranked = sorted(figure.samples)
        path = [f"M{x(ranked[0]):.1f},{base:.1f}"]
        for rank, value in enumerate(ranked, 1):
            path.append(f"H{x(value):.1f}V{base - HEIGHT * rank / len(ranked):.1f}")
        path.append(f"H{LEFT + inner:.1f}")
        drawn.append(element("path", element("title", engine), d="".join(path), class_=f"curve {colour(engines, engine)}"))
    return drawing.figure(WIDTH, base + BOTTOM - 18, title, *drawn)


def lines(title: str, engines: Sequence[str], series: Mapping[str, Sequence[tuple[float, Figure]]], unit: str, x_words: str) -> Markup:
    """Medians over a growing load, both on logarithmic scales; bars show from the least to the greatest sample."""
    everything = [point for points in series.values() for point in points]
    low_x, high_x = (log10(end(at for at, _ in everything)) for end in (min, max))
    low = log10(min(figure.least for _, figure in everything)) - 0.05
    high = log10(max(figure.greatest for _, figure in everything)) + 0.05
    inner, base = WIDTH - LEFT - RIGHT - 40, TOP + HEIGHT

    def place(at: float, value: float) -> tuple[float, float]:
        along = (log10(at) - low_x) / (high_x - low_x) if high_x > low_x else 0.5
        return LEFT + 20 + inner * along, base - HEIGHT * (log10(value) - low) / (high - low)

    drawn = _frame([(place(at, 10**low)[0], f"{at:,.0f}") for at in sorted({at for at, _ in everything})])
    drawn += [_level(place(10**low_x, value)[1], _short(value)) for value in _powers(low, high)]
    drawn.append(drawing.text(WIDTH - RIGHT, base + 38, x_words, "tick", "end"))
    drawn.append(drawing.text(LEFT + 4, TOP + 8, unit, "tick"))
    for engine, points in series.items():
        spots = [(place(at, figure.median), place(at, figure.least), place(at, figure.greatest)) for at, figure in points]
        path = "M" + "L".join(f"{x:.1f},{y:.1f}" for (x, y), _, _ in spots)
        marks = [drawing.line(x, low_y, x, high_y, f"whisker {colour(engines, engine)}") for (x, _), (_, low_y), (_, high_y) in spots]
        dots = [element("circle", cx=x, cy=y, r=3.5, class_=f"dot {colour(engines, engine)}") for (x, y), _, _ in spots]
        curve = element("path", d=path, class_=f"curve {colour(engines, engine)}")
        drawn.append(group(element("title", engine), *marks, curve, *dots))
    return drawing.figure(WIDTH, base + BOTTOM + 4, title, *drawn)


def _frame(marks: list[tuple[float, str]]) -> list[Markup]:
    return [drawing.axis(TOP + HEIGHT, marks, LEFT, WIDTH - RIGHT, TOP)]


def _level(y: float, words: str) -> Markup:
    return drawing.line(LEFT, y, WIDTH - RIGHT, y, "grid") + drawing.text(LEFT - 8, y + 4, words, "tick", "end")


def _powers(low: float, high: float) -> Iterable[float]:
    """1, 2, 5, 10 ... between two logarithms; only powers of ten where that would be too many."""
    factors = (1, 2, 5) if high - low < Y_MARKS_MAX / 3 else (1,) if high - low > 3 else (1, 3)
    for power in range(int(low) - 2, int(high) + 2):
        for factor in factors:
            if low <= log10(factor * 10.0**power) <= high:
                yield factor * 10.0**power


def _short(value: float) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
