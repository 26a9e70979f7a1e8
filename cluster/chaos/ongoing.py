"""One fault from its beginning to its end, and what it touched."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from quorate.cluster.chaos.connection_faults import Mix
from quorate.cluster.chaos.vocabulary import ROLES, Fault, OnNodes, node_words

COUNTED = {
    "delivered": "frames delayed",
    "dropped": "frames dropped",
    "held": "frames held",
    "duplicated": "frames duplicated",
    "inverted": "frames overtaken",
    "corrupted": "frames damaged",
    "torn": "frames torn",
    "resets": "connections reset",
}
"""What the proxy counts, in words."""


@dataclass(slots=True, eq=False)
class Ongoing:
    """Times are those of BootClock, in ns. After the end, `touched` is what it did: {"frames dropped": 812}, {"processes": 1}."""

    id: str
    fault: Fault
    seed: int
    ttl_s: float
    nodes: tuple[str, ...]
    """Hit, by their names; of links, the nodes that all of them touch, or else every end."""
    began_ns: int
    links: tuple[str, ...] = ()
    took_over: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Links that an older fault ruled, by its id: on them this one rules alone."""
    ended_ns: int | None = None
    touched: dict[str, int] = field(default_factory=dict)
    hit: list[str] = field(default_factory=list)
    """Of `nodes`, those at which it began or tried to: what its end puts right, and nothing else."""
    notes: list[str] = field(default_factory=list)
    """What was seen beside that, in sentences."""

    def __repr__(self) -> str:
        return f"<Ongoing {self.id} {self.text}>"

    @property
    def text(self) -> str:
        """As one would type it, with the nodes that it hit where words say less: "isolate leader (n2)"."""
        is_plain = all(word not in ROLES or word == "*" for word in node_words(self.fault))
        return str(self.fault) if is_plain else f"{self.fault} ({', '.join(self.nodes)})"

    @property
    def touched_nothing(self) -> bool:
        """It ended and did nothing; of a mix, one of its parts did nothing."""
        if isinstance(self.fault, Mix):
            return any(not any(self.touched.get(COUNTED[effect], 0) for effect in part.effects) for part in self.fault.parts)
        return not any(self.touched.values())

    def add(self, what: str, count: int) -> None:
        self.touched[what] = self.touched.get(what, 0) + count

    @property
    def ends_itself(self) -> bool:
        """When its time is over nobody has to do anything: the proxy or the node sees to it."""
        fault = self.fault
        return fault.ends_itself if isinstance(fault, OnNodes) else True
