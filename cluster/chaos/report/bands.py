"""What was done to the run, and what the nodes became: phases, fault bands per node and link, roles; rows of one axis."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from quorate.cluster.chaos.record import CLIENT, FaultBand, RunRecord
from quorate.cluster.chaos.report.scale import LEFT, TITLE, WIDTH, Panel, Scale, fitting, row_name, span, title
from quorate.cluster.verify.report import drawing, words
from quorate.cluster.verify.report.drawing import element

ROW = 17.0
GAP = 3.0
ROWS_MAX = 40
"""Rows of fault bands; the page counts the others and lists all faults."""
LEAST = 1.5
"""What is shorter is drawn so wide that it is seen."""
FAMILY = {
    **dict.fromkeys(("partition", "isolate", "minority", "one-way", "bridge", "ring", "flapping", "swizzle"), "cut"),
    **dict.fromkeys(("cut", "refuse", "black-hole", "reset", "half-open"), "cut"),
    **dict.fromkeys(("drop", "duplicate", "corrupt", "tear"), "lossy"),
    **dict.fromkeys(("delay", "jitter", "reorder", "bandwidth"), "slow"),
    **dict.fromkeys(("kill", "stop", "restart", "pause"), "process"),
    "clock": "clock",
    **dict.fromkeys(("slow-disk", "stall-disk", "full-disk", "fail-disk", "lying-disk", "flip-bit", "wipe-disk"), "disk"),
    **dict.fromkeys(("remove", "learner", "transfer", "promote-by-hand"), "members"),
}
"""A colour for each; kinds that are not here have one of their own together."""


def phases(record: RunRecord, scale: Scale, top: float) -> Panel:
    if not record.phases:
        return Panel(Markup(""), top)
    drawn = [row_name(top, ROW, "phase")]
    for at, phase in enumerate(record.phases):
        drawn.append(_stretch(scale, top, phase.start_ms, phase.end_ms, f"phase {'even' if at % 2 else 'odd'}", phase.name))
    return Panel(drawing.group(*drawn), top + ROW + GAP)


def faults(record: RunRecord, scale: Scale, top: float) -> tuple[Panel, int]:
    """Also: how many rows there was no room for."""
    rows = list(_rows(record))
    drawn, y = [title(top, "Faults", "" if rows else "none")], top + TITLE
    for name, whole, bands in rows[:ROWS_MAX]:
        lines = _lines(bands, record.duration_ms)
        height = len(lines) * ROW
        drawn.append(drawing.line(LEFT, y - 1, WIDTH, y - 1, "lane") + row_name(y, height, name, whole))
        for line in lines:
            drawn += [_band(band, scale, y, record.duration_ms) for band in line]
            y += ROW
        y += GAP
    return Panel(drawing.group(*drawn), y), max(0, len(rows) - ROWS_MAX)


def family(band: FaultBand) -> str:
    """Several faults at once, "jitter 5ms±1ms + drop 5%", have the family of the one that stands first in FAMILY."""
    verbs = {band.kind, *(part.split(maxsplit=1)[0] for part in band.text.split(" + ") if band.kind == "mix" and part.strip())}
    return next((family for verb, family in FAMILY.items() if verb in verbs), "other")


def _rows(record: RunRecord) -> Iterator[tuple[str, str, list[FaultBand]]]:
    """(name, all that it stands for, bands): nodes, then links; links that always suffered together share a row."""
    for node in record.nodes:
        if touching := [band for band in record.faults if node in band.nodes]:
            yield node, "", touching
    together: dict[tuple[str, ...], list[str]] = {}
    for link in [f"{one}>{two}" for one in (*record.nodes, CLIENT) for two in (*record.nodes, CLIENT) if one != two]:
        if touching := [band for band in record.faults if link in band.links]:
            together.setdefault(tuple(band.id for band in touching), []).append(link)
    bands = {band.id: band for band in record.faults}
    for ids, links in together.items():
        yield _links_name(links, len(record.nodes)), ", ".join(links), [bands[id] for id in ids]
    if others := [band for band in record.faults if not band.nodes and not band.links]:
        yield "cluster", "", others


def _links_name(links: Sequence[str], node_count: int) -> str:
    if len(links) == 1:
        return links[0]
    between_nodes = [link for link in links if CLIENT not in link.split(">")]
    if len(between_nodes) == len(links) == node_count * (node_count - 1):
        return "all links"
    ends = [set(link.split(">")) for link in links]
    if shared := set.intersection(*ends):
        if len(shared) == 2:
            return "<>".join(links[0].split(">"))
        return f"{len(links)} links of {min(shared)}"
    return words.counted(len(links), "link")


def _lines(bands: Sequence[FaultBand], duration_ms: float) -> list[list[FaultBand]]:
    """Bands that overlap stand below each other."""
    lines: list[list[FaultBand]] = []
    for band in sorted(bands, key=lambda band: band.start_ms):
        for line in lines:
            if (line[-1].end_ms or duration_ms) <= band.start_ms:
                line.append(band)
                break
        else:
            lines.append([band])
    return lines


def _band(band: FaultBand, scale: Scale, y: float, duration_ms: float) -> Markup:
    end_ms = duration_ms if band.end_ms is None else band.end_ms
    lasted = f"from {span(band.start_ms)} for {span(end_ms - band.start_ms)}" + ("" if band.end_ms is not None else ", to the end")
    touched = ", ".join(f"{name}: {count:,}" for name, count in band.touched.items()) or "nothing is known to be touched"
    return _stretch(scale, y, band.start_ms, end_ms, f"band {family(band)}", band.text, f"{band.text}\n{lasted}\n{touched}")


def _stretch(scale: Scale, y: float, start_ms: float, end_ms: float, class_: str, label: str, whole: str = "") -> Markup:
    x, width = scale.x(start_ms), scale.width(start_ms, end_ms)
    said = fitting(words.visible(label), width)
    return element(
        "g",
        element("title", whole or f"{label}\nfrom {span(start_ms)} to {span(end_ms)}"),
        drawing.box(x, y, max(width - 0.5, LEAST), ROW - 2, class_, 2),
        drawing.text(x + 4, y + 11.5, said, "in-band") if said else "",
    )


def roles(record: RunRecord, scale: Scale, top: float) -> Panel:
    if not record.roles:
        return Panel(Markup(""), top)
    drawn, y = [title(top, "Who leads, in which term")], top + TITLE
    for node in record.nodes:
        drawn.append(row_name(y, ROW, node))
        for each in record.roles.get(node, ()):
            label = f"term {each.term}" if each.state == "leader" else "" if each.state == "follower" else each.state
            whole = f"{node}: {each.state}, term {each.term}\nfrom {span(each.start_ms)} to {span(each.end_ms)}"
            drawn.append(_stretch(scale, y, each.start_ms, each.end_ms, f"role {each.state}", label, whole))
        y += ROW + GAP
    return Panel(drawing.group(*drawn), y)
