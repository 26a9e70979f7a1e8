"""Safeguards taken out, one at a time, to show that the simulator would notice.

FOR TESTS ONLY: what is here is broken on purpose. It ships so that an installed `quorate sim --ablations` can really run it;
no configuration of a node reaches it, and nothing under cluster/runtime imports it.
"""

from importlib import import_module

from quorate.protocols.simulation.ablations.row import LIVENESS, SAFETY, SEEDS_MAX, STEPS, Row, hunt

__all__ = ["LIVENESS", "SAFETY", "SEEDS_MAX", "STEPS", "TABLES", "Row", "hunt", "rows_of"]

TABLES = {
    "fastpaxos": "quorate.protocols.simulation.ablations.fastpaxos",
    "multipaxos": "quorate.protocols.simulation.ablations.multipaxos",
    "raft": "quorate.protocols.simulation.ablations.raft",
    "zab": "quorate.protocols.simulation.ablations.zab",
    "kraft": "quorate.protocols.simulation.ablations.kraft",
    "logship": "quorate.protocols.simulation.ablations.logship",
}
"""By engine: the module that holds its ROWS."""


def rows_of(engine: str) -> tuple[Row, ...]:
    """The table of that engine; empty if it has none."""
    if engine not in TABLES:
        return ()
    rows: tuple[Row, ...] = import_module(TABLES[engine]).ROWS
    return rows
