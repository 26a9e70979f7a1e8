"""The page: one HTML file that needs no network, with the table, the drawings, the claims and what is behind them.

Two rules. Every sentence about an engine is made of the figures of this run. And nothing is left out silently: what was not measured, and
what the figures do not decide, stands on the page with the reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from quorate.cluster.compare import plots
from quorate.cluster.compare.claims import BUSY, Claim, judge, tally
from quorate.cluster.compare.figures import Figure
from quorate.cluster.compare.rows import CRASHES, LAG_NODES, LAGS, Results, shape_key
from quorate.cluster.compare.table import Line, lines_of
from quorate.cluster.verify.report import setting
from quorate.protocols.simulation.measuring.commits import IN_FLIGHT
from quorate.protocols.simulation.measuring.partitions import SHAPES

PACKAGE = "quorate.cluster.compare"


@dataclass(frozen=True, slots=True)
class Plot:
    """One drawing with its caption; `keys` where colours alone tell its lines apart."""

    caption: str
    drawn: Markup
    keys: Sequence[tuple[str, str]] = ()
    """(class, engine)."""


@dataclass(frozen=True, slots=True)
class Part:
    """One section of the table with its drawings."""

    title: str
    about: str
    columns: Sequence[str]
    lines: list[Line]
    plots: list[Plot]


@dataclass(frozen=True, slots=True)
class Group:
    """The cases of one claim."""

    note: str
    claims: list[Claim]


def render(results: Results) -> str:
    """The page about these results."""
    claims, silent = judge(results)
    groups = [Group(note, [claim for claim in claims if claim.note == note]) for note in dict.fromkeys(claim.note for claim in claims)]
    drawn: dict[str, list[Plot]] = {}
    for section, plot in draw(results):
        drawn.setdefault(section, []).append(plot)
    parts = [
        Part(section.title, section.about, results.columns(rows), lines_of(results, rows), drawn.get(section.title, []))
        for section, rows in results.sections()
    ]
    style = setting.source("style.css") + setting.source("comparison.css", PACKAGE)
    template = setting.environment(PACKAGE).get_template("comparison.html")
    return template.render(
        policy=setting.policy(style, script=""),
        style=Markup(style),
        engines=results.engines,
        parts=parts,
        groups=groups,
        tally=tally(claims),
        facts=results.facts,
        missing=[*results.missing, *silent],
        shapes=SHAPES,
    )


def draw(results: Results) -> Iterator[tuple[str, Plot]]:
    """(the section's title, a drawing of it) for whatever was measured."""
    yield from _writes(results)
    yield from _elections(results)
    yield from _lagging(results)
    yield from _partitions(results)
    yield from _live(results)


def _figures(results: Results, key: str) -> list[tuple[str, Figure]]:
    return [(name, figure) for name in results.columns() if (figure := results.figure(key, name)) is not None]


def _keys(results: Results, names: Sequence[str]) -> list[tuple[str, str]]:
    return [(plots.colour(results.columns(), name), name) for name in names]


def _bars(results: Results, caption: str, keys: Sequence[tuple[str, str]], digits: int = 0) -> Iterator[Plot]:
    """A drawing of these rows (key, words), if any was measured."""
    groups = [(words, figures) for key, words in keys if (figures := _figures(results, key))]
    if groups:
        yield Plot(caption, plots.bars(caption, results.columns(), groups, digits))


def _writes(results: Results) -> Iterator[tuple[str, Plot]]:
    for caption, key in (
        ("Messages of a lone write", "write.messages"),
        ("Message delays from propose to commit, at the leader", "write.delays"),
        ("Bytes of a lone write", "write.bytes"),
    ):
        for plot in _bars(results, caption, [(key, "")]):
            yield "A write", plot
    for plot in _bars(results, "Bytes a second of an idle cluster", [("idle.bytes", "")]):
        yield "An idle cluster", plot


def _elections(results: Results) -> Iterator[tuple[str, Plot]]:
    for case, words in CRASHES.items():
        samples = dict(_figures(results, f"election.{case}.ms"))
        if samples:
            caption = f"Until somebody leads: {words}"
            drawn = plots.distribution(caption, results.columns(), samples, "ms")
            yield "Election after a crash of the leader", Plot(caption, drawn, _keys(results, list(samples)))
    keys = [(f"election.{case}.messages", words) for case, words in CRASHES.items()]
    for plot in _bars(results, "Messages until somebody leads", keys):
        yield "Election after a crash of the leader", plot


def _lagging(results: Results) -> Iterator[tuple[str, Plot]]:
    for nodes in LAG_NODES:
        keys = [(f"lag.{nodes}.{lag}.served", f"{lag:,} writes behind") for lag in LAGS]
        for plot in _bars(results, f"{nodes} nodes: from the new leader to its first write, ms", keys, 1):
            yield "First write with a follower that lags", plot


def _partitions(results: Results) -> Iterator[tuple[str, Plot]]:
    keys = [(f"cut.{shape_key(shape.name)}.available", shape.name) for shape in SHAPES]
    for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
        for plot in _bars(results, "Available, % of 20 s", half):
            yield "Partitions", plot


def _live(results: Results) -> Iterator[tuple[str, Plot]]:
    for what, words, unit in (("rate", "Writes a second", "/s"), ("p50", "p50 latency", "ms"), ("p99", "p99 latency", "ms")):
        series = {
            name: points
            for name in results.columns()
            if (points := [(count, figure) for count in IN_FLIGHT if (figure := results.figure(f"live.{what}.{count}", name)) is not None])
        }
        if series:
            drawn = plots.lines(words, results.columns(), series, unit, "writes in flight")
            yield "Live nodes", Plot(words, drawn, _keys(results, list(series)))
    keys = [(f"live.ratio.{count}", f"{count} in flight") for count in BUSY]
    for plot in _bars(results, "Part of Raft's writes a second", keys, 2):
        yield "Live nodes", plot
    for plot in _bars(results, "kill -9 of the leader: longest time without a write, ms", [("live.gap", "")]):
        yield "Live nodes", plot
