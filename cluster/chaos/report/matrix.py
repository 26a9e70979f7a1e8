"""Who reached whom, at any moment of the run: a square of links that a slider moves through time.

The page holds the moments as JSON, in few letters; without its script it shows the most telling moment alone.
"""

import json
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from quorate.cluster.chaos.record import LinkState, Ms, Reachability, RunRecord
from quorate.cluster.chaos.report.scale import span

HARM: dict[LinkState, int] = {"open": 0, "slow": 1, "lossy": 2, "cut": 3}
MOMENTS_MAX = 4_000
"""Flapping links change thousands of times; a slider has no more places."""


@dataclass(frozen=True, slots=True)
class Cell:
    """From one node to another; a node has no link to itself."""

    link: str
    state: str


@dataclass(frozen=True, slots=True)
class Matrix:
    """The square at its first moment, and all moments."""

    nodes: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]
    shown_ms: int
    until_ms: int
    when: str
    moments: str
    """JSON: {"times": [ms], "links": [{link: state}], "roles": {node: [[from ms, what it was]]}}; open links are left out. The ms are
    whole, as those of the slider, and never before what they stand for."""
    changes: int
    missing: int
    """Moments that are not among them."""


def matrix(record: RunRecord) -> Matrix:
    kept = _kept(record.reachability)
    shown_ms = _most_telling(record, kept)
    at = bisect_right([moment.at_ms for moment in kept], shown_ms) - 1
    states = kept[at].links if at >= 0 else {}
    moments = {
        "times": [ceil(moment.at_ms) for moment in kept],
        "links": [{link: state for link, state in moment.links.items() if state != "open"} for moment in kept],
        "roles": {node: [[ceil(each.start_ms), f"{each.state} {each.term}"] for each in spans] for node, spans in record.roles.items()},
    }
    return Matrix(
        record.nodes,
        [
            (
                source,
                [
                    Cell(f"{source}>{target}", "" if source == target else states.get(f"{source}>{target}", "open"))
                    for target in record.nodes
                ],
            )
            for source in record.nodes
        ],
        ceil(shown_ms),
        ceil(record.duration_ms),
        span(ceil(shown_ms)),
        json.dumps(moments, separators=(",", ":")),
        len(kept),
        len(record.reachability) - len(kept),
    )


def _kept(moments: Sequence[Reachability]) -> list[Reachability]:
    """All, or as many evenly spread ones as there is room for."""
    every = -(-len(moments) // MOMENTS_MAX)
    return list(moments[:: max(every, 1)])


def _most_telling(record: RunRecord, moments: Sequence[Reachability]) -> Ms:
    """When the links were in the worst state, up to the first violation if there is one; if all were open, then that."""
    until_ms = record.duration_ms if record.violation_ms is None else record.violation_ms
    broken = {
        moment.at_ms: harm
        for moment in moments
        if moment.at_ms <= until_ms and (harm := sum(HARM[state] for state in moment.links.values()))
    }
    return max(broken, key=lambda at_ms: broken[at_ms], default=record.violation_ms or 0.0)
