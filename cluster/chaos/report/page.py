"""The page about one chaos run: one HTML file, of the same make as the pages of `quorate verify`, whose parts it is set from.

Two rules. Nothing is left out silently: what has no room is counted where it would stand. And nothing of a record can become anything
but text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from quorate.cluster.chaos.record import Fact, Flight, Gap, Ms, RunRecord, RunVerdict
from quorate.cluster.chaos.report import bands, costs, curves
from quorate.cluster.chaos.report.lamport import lamport
from quorate.cluster.chaos.report.matrix import matrix
from quorate.cluster.chaos.report.scale import LEFT, WIDTH, Panel, Scale, span
from quorate.cluster.verify.report import drawing, setting, words
from quorate.cluster.verify.report.page import KINDS, Shown, shown_of
from quorate.cluster.verify.report.page import SYMBOLS as ANSWER_SYMBOLS
from quorate.cluster.verify.verdict import Verdict

PACKAGE = "quorate.cluster.chaos.report"
DRAWN_MAX = 3
"""Findings of each check that are drawn: one may be an accident, three are a habit, and the others stand in a table."""
ROWS_MAX = 500
"""Rows of a table: beyond that nobody reads, and browsers grow slow."""
SYMBOLS = {RunVerdict.PASSED: "✓", RunVerdict.VIOLATED: "✗", RunVerdict.UNKNOWN: "?", RunVerdict.INCONCLUSIVE: "?"}
BADGES = {RunVerdict.PASSED: "valid", RunVerdict.VIOLATED: "invalid"}
"""The colours are those of the checkers' answers."""
HEAD = 22.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What one checker said, ready to be set."""

    anchor: str
    verdict: Verdict
    shown: list[Shown]
    others: list[tuple[str, str, str]]
    """(name, key, why) of findings that are not drawn."""

    @property
    def symbol(self) -> str:
        return ANSWER_SYMBOLS[self.verdict.answer]

    @property
    def missing(self) -> int:
        return len(self.verdict.findings) - len(self.shown) - len(self.others)


@dataclass(frozen=True, slots=True)
class Overview:
    """The run on its one axis, and what of it has no room."""

    drawing: Markup
    hidden_rows: int


def render(record: RunRecord) -> str:
    """The whole page, as text."""
    environment = setting.environment(PACKAGE)
    style = setting.source("style.css") + setting.source("run.css", PACKAGE)
    script = setting.source("page.js") + setting.source("run.js", PACKAGE)
    return environment.get_template("run.html").render(
        record=record,
        symbol=SYMBOLS[record.verdict],
        badge=BADGES.get(record.verdict, "unknown"),
        style=Markup(style),
        script=Markup(script),
        policy=setting.policy(style, script),
        overview=overview(record),
        matrix=matrix(record),
        lamport=lamport(record),
        checks=[_checked(check, record.names, f"c{number}") for number, check in enumerate(record.checks, 1)],
        counts=_counts(record),
        costs=[(band.text, *_cost(gap, record)) for gap, band in costs.gaps(record)],
        facts=_facts(record),
        touched={band.id: _listed(band.touched) for band in record.faults},
        lags={node: max((behind for _, behind in steps), default=0) for node, steps in curves.lags(record).items()},
        agreed=len({(replica.index, replica.digest) for replica in record.convergence.values()}) <= 1,
        frames=sorted(record.frames, key=lambda flight: flight.sent_ms)[:ROWS_MAX],
        rows_max=ROWS_MAX,
        kinds=KINDS,
        span=span,
        took=_took,
        states={each.state for spans in record.roles.values() for each in spans},
        families=sorted({bands.family(band) for band in record.faults}),
        colours=curves.COLOURS,
    )


def write_report(record: RunRecord, path: str | Path) -> None:
    """OSError."""
    Path(path).write_text(render(record), "utf-8")


def overview(record: RunRecord) -> Overview:
    """Every panel below the one before it, all on one axis, with the first violation through all of them."""
    scale, stretches = Scale(record.duration_ms), curves.Stretches.of(record)
    panels: list[Panel] = [bands.phases(record, scale, HEAD)]
    faults, hidden_rows = bands.faults(record, scale, panels[-1].bottom)
    panels.append(faults)
    below: list[Callable[[float], Panel]] = [
        lambda top: costs.costs(record, scale, top),
        lambda top: bands.roles(record, scale, top),
        lambda top: curves.throughput(record, stretches, scale, top),
        lambda top: curves.latency(record, stretches, scale, top),
        lambda top: curves.lag(record, stretches, scale, top),
    ]
    for panel in below:
        panels.append(panel(panels[-1].bottom))
    bottom = panels[-1].bottom + 2
    drawn = drawing.figure(
        WIDTH,
        bottom + 24,
        f"The run of {span(record.duration_ms)}",
        drawing.axis(bottom, scale.marks(), LEFT, WIDTH, HEAD),
        *(panel.drawn for panel in panels),
        _violation(record, scale, bottom),
        drawing.element("line", id="now", x1=LEFT, y1=HEAD - 4, x2=LEFT, y2=bottom, class_="now"),
    )
    return Overview(drawn, hidden_rows)


def _violation(record: RunRecord, scale: Scale, bottom: float) -> Markup:
    if record.violation_ms is None:
        return Markup("")
    said = f"first violation, {record.violation_ms / 1000:,.3f} s"
    half = drawing.width_of(said) / 2
    x = scale.x(record.violation_ms)
    text_x = min(max(x, LEFT + half), WIDTH - half)
    return drawing.line(x, HEAD - 4, x, bottom, "violation") + drawing.text(text_x, 14, said, "violation-name", "middle")


def _checked(check: Verdict, names: Mapping[int, str], anchor: str) -> Checked:
    shown = [shown_of(finding, names, f"{anchor}-f{number}") for number, finding in enumerate(check.findings[:DRAWN_MAX], 1)]
    others = [
        (each.name, words.key(each.key), " ".join(filter(None, (words.sentence(each.why), words.left_out(each)))))
        for each in check.findings[DRAWN_MAX:][:ROWS_MAX]
    ]
    return Checked(anchor, check, shown, others)


def _counts(record: RunRecord) -> list[tuple[str, str]]:
    """(number, what it counts): what a reader wants to know first."""
    counts = record.counts
    rows = [
        _number(counts.operations, "operation"),
        (f"{counts.acknowledged:,}", "acknowledged"),
        (f"{counts.failed:,}", "failed"),
        (f"{counts.unknown:,}", "of unknown outcome"),
        _number(sum(counts.faults.values()), "fault"),
        (span(record.duration_ms), "in all"),
    ]
    for name, label in (
        ("unavailable_ms", "longest without an answer"),
        ("heal_to_first_success_ms", "longest from heal to success"),
        ("election_ms", "longest election"),
    ):
        known = [ms for gap in record.gaps if (ms := getattr(gap, name)) is not None]
        if known:
            rows.append((span(max(known)), label))
    return rows


def _number(count: int, noun: str) -> tuple[str, str]:
    number, _, words_ = words.counted(count, noun).partition(" ")
    return number, words_


def _cost(gap: Gap, record: RunRecord) -> tuple[str, str, str, str, str]:
    """The words of its row; the last one is the unavailability in election timeouts."""
    told = [
        "-" if ms is None else span(ms) for ms in (gap.first_error_ms, gap.election_ms, gap.heal_to_first_success_ms, gap.unavailable_ms)
    ]
    timeouts = "-"
    if gap.unavailable_ms is not None and record.election_timeout_ms > 0:
        timeouts = f"{gap.unavailable_ms / record.election_timeout_ms:.1f}"
    return told[0], told[1], told[2], told[3], timeouts


def _facts(record: RunRecord) -> list[tuple[str, list[tuple[str, str]]]]:
    """(caption, rows) of the small tables at the end; those without rows are left out."""
    modes = {f"{links}": mode for links, mode in record.modes.items()}
    tables: list[tuple[str, Mapping[str, Fact]]] = [
        ("Faults by kind", record.counts.faults),
        ("Frames, as the proxy counted", record.counts.frames),
        ("Links: what they are", modes),
        ("The proxy, idle", record.calibration),
        ("The run", record.facts),
    ]
    return [(caption, [(name.replace("_", " "), _fact(fact)) for name, fact in facts.items()]) for caption, facts in tables if facts]


def _fact(fact: Fact) -> str:
    """Measured numbers are not told as powers of ten."""
    return f"{fact:,.1f}" if isinstance(fact, float) and abs(fact) >= 100 else words.fact(fact)


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "nothing known"


def _took(flight: Flight) -> str:
    """How long it was under way."""
    arrived: Ms | None = flight.arrived_ms
    return "-" if arrived is None else span(arrived - flight.sent_ms)
