"""Which anomaly contradicts which isolation level.

The rule it keeps: a level is contradicted only by what it excludes by definition. Adya's thesis (1999) for the classes of
cycles, Cerone and Gotsman (2018) for snapshot isolation, Daudjee and Salem (2004, 2006) for its strong and session forms.

Two numbers place an anomaly: how few kinds of dependencies its cycle needs (class), and how much the system must promise about
the order in which clients called (order). Two numbers place a level: it excludes all anomalies at or below both of its own.
"""

from collections.abc import Iterable

CLASSES = ("G0", "G1c", "G-single", "G-nonadjacent", "G2")
"""Cycles of ww; of ww and wr; with one rw; with several rw, no two of them adjacent; any. From the worst on."""
ORDERS = ("", "-process", "-realtime")
"""Dependencies alone; and each process sees its own transactions in order; and whoever is called after a return comes later."""

LEVELS = {
    "strict-serializable": (4, 2),
    "strong-session-serializable": (4, 1),
    "serializable": (4, 0),
    "strong-snapshot-isolation": (3, 2),
    "strong-session-snapshot-isolation": (3, 1),
    "snapshot-isolation": (3, 0),
    "read-committed": (1, 0),
}
"""Level: (the last class that it excludes, the last order that it keeps)."""

PLACES = {
    **{name + suffix: (place, order) for place, name in enumerate(CLASSES) for order, suffix in enumerate(ORDERS)},
    **dict.fromkeys(("incompatible order", "duplicate write", "garbage read", "internal", "G1a", "G1b", "dirty update"), (0, 0)),
    **dict.fromkeys(("non-repeatable read", "lost update"), (2, 0)),
}
"""Anomaly: (class, order). Those that are no cycles contradict what a cycle of the same place does."""


def contradicts(anomaly: str, level: str) -> bool:
    place, order = PLACES[anomaly]
    last, kept = LEVELS[level]
    return place <= last and order <= kept


def strongest(anomalies: Iterable[str]) -> list[str]:
    """The levels that none of these contradicts and that no other such level implies. Empty: not even read-committed."""
    found = set(anomalies)
    left = {level: place for level, place in LEVELS.items() if not any(contradicts(anomaly, level) for anomaly in found)}
    return [
        level
        for level, (last, kept) in left.items()
        if not any(other != level and last <= more and kept <= stricter for other, (more, stricter) in left.items())
    ]
