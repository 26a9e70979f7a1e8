"""What clients and replicas saw, as curves over the one axis: operations per second, latency (logarithmic), how far replicas lag.

The rule: where a run has more stretches than the page has room for, neighbours are put together, and the panel says how: operations
are summed, of latencies and lags the worst is drawn.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup

from quorate.cluster.chaos.record import BUCKET_MS, Bucket, Ms, RunRecord
from quorate.cluster.chaos.report.scale import LEFT, TITLE, WIDTH, Panel, Scale, line_through, span, title
from quorate.cluster.verify.report import drawing
from quorate.cluster.verify.report.drawing import element

STRETCHES_MAX = 500
"""About two pixels each."""
HEIGHT = 84.0
LOWEST_MS = 0.1
DECADES_MAX = 5
"""That have room for their labels."""
COLOURS = 7
"""Nodes beyond these begin with the first colour again."""


@dataclass(slots=True)
class Stretch:
    """Neighbouring buckets together."""

    at_ms: Ms
    acknowledged: int = 0
    failed: int = 0
    unknown: int = 0
    p50_ms: Ms | None = None
    p99_ms: Ms | None = None
    max_ms: Ms | None = None

    def add(self, bucket: Bucket) -> None:
        self.acknowledged += bucket.acknowledged
        self.failed += bucket.failed
        self.unknown += bucket.unknown
        for name in ("p50_ms", "p99_ms", "max_ms"):
            known = [ms for ms in (getattr(self, name), getattr(bucket, name)) if ms is not None]
            setattr(self, name, max(known, default=None))


@dataclass(frozen=True, slots=True)
class Stretches:
    """The whole run, in stretches of one length, with those in which nothing returned."""

    length_ms: Ms
    all: list[Stretch]

    @classmethod
    def of(cls, record: RunRecord) -> "Stretches":
        buckets = ceil(record.duration_ms / BUCKET_MS)
        together = ceil(buckets / STRETCHES_MAX)
        length_ms = together * BUCKET_MS
        made = [Stretch(number * length_ms) for number in range(ceil(buckets / together))]
        for bucket in record.buckets:
            made[min(int(bucket.at_ms // length_ms), len(made) - 1)].add(bucket)
        return cls(length_ms, made)

    @property
    def aside(self) -> str:
        return "" if self.length_ms == BUCKET_MS else f"the worst of every {span(self.length_ms)}"


def throughput(record: RunRecord, stretches: Stretches, scale: Scale, top: float) -> Panel:
    """Acknowledged at the bottom, failed and unknown upon it."""
    per_second = 1000 / stretches.length_ms
    highest = max((each.acknowledged + each.failed + each.unknown for each in stretches.all), default=0) * per_second or 1.0
    base = top + TITLE + HEIGHT

    def y(count: float) -> float:
        return base - HEIGHT * count * per_second / highest

    def area(class_: str, upto: Callable[[Stretch], int], since: Callable[[Stretch], int]) -> Markup:
        outline = []
        for each in stretches.all:
            if upto(each) > since(each):
                left, right = scale.x(each.at_ms), scale.x(each.at_ms + stretches.length_ms)
                outline.append(f"M{left:.1f},{y(since(each)):.1f}V{y(upto(each)):.1f}H{right:.1f}V{y(since(each)):.1f}z")
        return element("path", d="".join(outline), class_=f"count {class_}")

    drawn = [
        title(top, "Operations per second", f"in stretches of {span(stretches.length_ms)}"),
        _level(top + TITLE, f"{highest:,.0f}"),
        _level(base, "0"),
        area("ok", lambda each: each.acknowledged, lambda each: 0),
        area("fail", lambda each: each.acknowledged + each.failed, lambda each: each.acknowledged),
        area(
            "info",
            lambda each: each.acknowledged + each.failed + each.unknown,
            lambda each: each.acknowledged + each.failed,
        ),
    ]
    return Panel(drawing.group(*drawn), base + 6)


def latency(record: RunRecord, stretches: Stretches, scale: Scale, top: float) -> Panel:
    known = [ms for each in stretches.all for ms in (each.p50_ms, each.max_ms) if ms is not None]
    if not known:
        return Panel(Markup(""), top)
    low, high = (log10(max(ms, LOWEST_MS)) for ms in (min(known), max(known)))
    first, last = int(low // 1), max(ceil(high), int(low // 1) + 1)
    base = top + TITLE + HEIGHT

    def y(ms: Ms) -> float:
        return base - HEIGHT * (log10(max(ms, LOWEST_MS)) - first) / (last - first)

    def curve(class_: str, of: Callable[[Stretch], Ms | None]) -> Markup:
        points = [None if (ms := of(each)) is None else (scale.x(each.at_ms + stretches.length_ms / 2), y(ms)) for each in stretches.all]
        return element("path", d=line_through(points), class_=f"curve {class_}")

    drawn = [title(top, "Latency of what was acknowledged", ", ".join(filter(None, ("logarithmic", stretches.aside))))]
    drawn += [_level(y(10.0**power), span(10.0**power)) for power in range(first, last + 1, ceil((last - first) / DECADES_MAX))]
    drawn += [
        curve("max", lambda each: each.max_ms),
        curve("p99", lambda each: each.p99_ms),
        curve("p50", lambda each: each.p50_ms),
    ]
    return Panel(drawing.group(*drawn), base + 6)


def lag(record: RunRecord, stretches: Stretches, scale: Scale, top: float) -> Panel:
    """Entries that a node's commit index was behind the highest that any node had told by then."""
    if not any(record.progress.values()):
        return Panel(Markup(""), top)
    every = lags(record)
    behind = {node: _worst(steps, stretches.length_ms) for node, steps in every.items()}
    thinned = sum(map(len, behind.values())) < sum(map(len, every.values()))
    highest = max((entries for steps in behind.values() for _, entries in steps), default=0)
    base = top + TITLE + HEIGHT * 0.75
    aside = "entries behind the furthest node" + (f", the worst of every {span(stretches.length_ms)}" if thinned else "")
    drawn = [
        title(top, "Commit lag", aside),
        _level(top + TITLE, f"{highest:,}") if highest else Markup(""),
        _level(base, "0"),
    ]
    for number, node in enumerate(record.nodes):
        points = [(scale.x(ms), base - HEIGHT * 0.75 * entries / (highest or 1)) for ms, entries in behind.get(node, [])]
        drawn.append(element("path", d=line_through(points), class_=f"curve node-{number % COLOURS}"))
    return Panel(drawing.group(*drawn), base + 6)


def lags(record: RunRecord) -> dict[str, list[tuple[Ms, int]]]:
    """Per node: (when, how many entries behind)."""
    told = sorted((step.at_ms, step.commit) for steps in record.progress.values() for step in steps)
    times, highest, most = [], [], 0
    for at_ms, commit in told:
        most = max(most, commit)
        times.append(at_ms)
        highest.append(most)
    return {
        node: [(step.at_ms, highest[bisect_right(times, step.at_ms) - 1] - step.commit) for step in steps]
        for node, steps in record.progress.items()
    }


def _worst(steps: Sequence[tuple[Ms, int]], longest_ms: Ms) -> list[tuple[Ms, int]]:
    """The greatest lag of each stretch of that length."""
    kept: dict[int, tuple[Ms, int]] = {}
    for at_ms, entries in steps:
        number = int(at_ms // longest_ms)
        if number not in kept or kept[number][1] < entries:
            kept[number] = (at_ms, entries)
    return list(kept.values())


def _level(y: float, said: str) -> Markup:
    return drawing.line(LEFT, y, WIDTH, y, "grid") + drawing.text(LEFT - 10, y + 4, said, "tick", "end")
