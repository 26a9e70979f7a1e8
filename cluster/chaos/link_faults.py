"""Faults of links: what the fault proxy does to frames and connections, as values.

The rule: a fault is what a person wrote; `payload` is the same in the words of the proxy's `PUT /faults`, whose names, and whose dice, are
the simulator's. `effects` are the proxy's counters of which at least one must grow if the fault touched anything.
"""

from dataclasses import dataclass
from typing import ClassVar

from quorate.cluster.chaos.units import say_ms, say_rate, say_share

Names = tuple[str, ...]
"""Words for nodes, or for links."""
ALL: Names = ("*",)
Payload = dict[str, object]

ARRIVED = ("delivered",)
LOST = ("dropped", "held")


def joined(words: Names) -> str:
    return ",".join(words)


def said(words: Names) -> str:
    """The same as a person writes it in a shell."""
    return ",".join("all" if word == "*" else word for word in words)


def on(links: Names) -> str:
    return "" if links == ALL else "".join(f" --link {link}" for link in links)


# -- which frames meet at all


@dataclass(frozen=True, slots=True)
class Partition:
    """Groups that do not reach one another, both ways. Nodes in no group reach everybody."""

    sides: tuple[Names, ...]
    verb: ClassVar[str] = "partition"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"partition {' / '.join(map(said, self.sides))}"

    def payload(self) -> Payload:
        if len(self.sides) == 2:
            left, right = self.sides
            return {"shape": {"kind": "halves", "left": [*left], "right": [*right]}}
        pairs = [(one, other) for one in self.sides for other in self.sides if one is not other]
        return {"links": [f"{joined(one)}>{joined(other)}" for one, other in pairs], "cut": True}


@dataclass(frozen=True, slots=True)
class Isolate:
    """One node off from all others."""

    node: str
    verb: ClassVar[str] = "isolate"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"isolate {self.node}"

    def payload(self) -> Payload:
        return {"shape": {"kind": "isolate", "node": self.node}}


@dataclass(frozen=True, slots=True)
class Minority:
    """As many nodes as are no majority, off from the rest: this one, if it is named, and others that the seed chooses."""

    node: str = ""
    verb: ClassVar[str] = "minority"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"minority {self.node}".rstrip()

    def payload(self) -> Payload:
        return {"shape": {"kind": "minority", "node": self.node}}


@dataclass(frozen=True, slots=True)
class OneWay:
    """Nothing arrives from the sources at the destinations; the way back stays open."""

    sources: Names
    destinations: Names
    verb: ClassVar[str] = "one-way"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"one-way {said(self.sources)} / {said(self.destinations)}"

    def payload(self) -> Payload:
        return {"shape": {"kind": "one-way", "sources": [*self.sources], "destinations": [*self.destinations]}}


@dataclass(frozen=True, slots=True)
class Bridge:
    """Two halves that reach each other through one node in the middle alone. The order of the nodes says who that is."""

    nodes: Names = ()
    verb: ClassVar[str] = "bridge"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"bridge {said(self.nodes)}".rstrip()

    def payload(self) -> Payload:
        return {"shape": {"kind": "bridge", "nodes": [*self.nodes]}}


@dataclass(frozen=True, slots=True)
class Ring:
    """Everybody sees a majority, no two the same one. Four nodes or more."""

    nodes: Names = ()
    verb: ClassVar[str] = "ring"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"ring {said(self.nodes)}".rstrip()

    def payload(self) -> Payload:
        return {"shape": {"kind": "ring", "nodes": [*self.nodes]}}


@dataclass(frozen=True, slots=True)
class Flapping:
    """Links that go down for so long and up for as long, again and again."""

    period_ms: float
    count: int = 100
    links: Names = ALL
    verb: ClassVar[str] = "flapping"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"flapping {say_ms(self.period_ms)} --count {self.count}{on(self.links)}"

    def payload(self) -> Payload:
        shape = {"kind": "flapping", "links": [*self.links], "half_period_ms": self.period_ms, "count": self.count}
        return {"shape": shape}


@dataclass(frozen=True, slots=True)
class Swizzle:
    """Links that stop one by one, so long apart, and come back one by one in another order."""

    step_ms: float
    links: Names = ALL
    verb: ClassVar[str] = "swizzle"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"swizzle {say_ms(self.step_ms)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"shape": {"kind": "swizzle", "links": [*self.links], "step_ms": self.step_ms}}


# -- what happens to each frame: these may be mixed on one link


@dataclass(frozen=True, slots=True)
class Cut:
    """Nothing passes on these links."""

    links: Names = ALL
    verb: ClassVar[str] = "cut"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        return f"cut{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "cut": True}


@dataclass(frozen=True, slots=True)
class Delay:
    """Every frame is so much later."""

    delay_ms: float
    links: Names = ALL
    verb: ClassVar[str] = "delay"
    effects: ClassVar[Names] = ARRIVED

    def __str__(self) -> str:
        return f"delay {say_ms(self.delay_ms)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "delay_ms": self.delay_ms}


@dataclass(frozen=True, slots=True)
class Jitter:
    """A delay that varies. uniform: from delay - jitter to delay + jitter. normal: the jitter is the deviation. exponential and pareto: the
    delay is the least, and the jitter is the mean of what comes on top."""

    delay_ms: float
    jitter_ms: float
    dist: str = "uniform"
    links: Names = ALL
    verb: ClassVar[str] = "jitter"
    effects: ClassVar[Names] = ARRIVED

    def __str__(self) -> str:
        dist = "" if self.dist == "uniform" else f" --dist {self.dist}"
        return f"jitter {say_ms(self.delay_ms)}±{say_ms(self.jitter_ms)}{dist}{on(self.links)}"

    def payload(self) -> Payload:
        least, scale = self.delay_ms, self.jitter_ms
        if self.dist == "uniform":
            least, scale = self.delay_ms - self.jitter_ms, 2 * self.jitter_ms
        return {"links": [*self.links], "delay_ms": least, "jitter_ms": scale, "jitter": self.dist}


@dataclass(frozen=True, slots=True)
class Drop:
    """This share of the frames is lost. `--only`: of these types. `--first`: of each type only the first so many in each term."""

    share: float
    links: Names = ALL
    only: Names = ()
    first: int = 0
    verb: ClassVar[str] = "drop"
    effects: ClassVar[Names] = LOST

    def __str__(self) -> str:
        only = "".join(f" --only {word}" for word in self.only)
        return f"drop {say_share(self.share)}{only}{f' --first {self.first}' if self.first else ''}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "drop": self.share, "only": [*self.only], "first": self.first}


@dataclass(frozen=True, slots=True)
class Duplicate:
    """This share of the frames arrives twice."""

    share: float
    links: Names = ALL
    verb: ClassVar[str] = "duplicate"
    effects: ClassVar[Names] = ("duplicated",)

    def __str__(self) -> str:
        return f"duplicate {say_share(self.share)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "duplicate": self.share}


@dataclass(frozen=True, slots=True)
class Reorder:
    """This share of the frames is held back by up to so long; later ones overtake them."""

    share: float
    by_ms: float
    links: Names = ALL
    verb: ClassVar[str] = "reorder"
    effects: ClassVar[Names] = ("inverted",)

    def __str__(self) -> str:
        return f"reorder {say_share(self.share)} {say_ms(self.by_ms)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "reorder": self.share, "reorder_ms": self.by_ms}


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One byte of this share of the frames is changed. Of the payload, where the checksum shows it, or of the header."""

    share: float
    part: str = "payload"
    links: Names = ALL
    verb: ClassVar[str] = "corrupt"
    effects: ClassVar[Names] = ("corrupted",)

    def __str__(self) -> str:
        part = "" if self.part == "payload" else f" --part {self.part}"
        return f"corrupt {say_share(self.share)}{part}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "corrupt": self.share, "corrupt_part": self.part}


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """No more than so many bytes a second."""

    bytes_per_s: int
    links: Names = ALL
    verb: ClassVar[str] = "bandwidth"
    effects: ClassVar[Names] = ARRIVED

    def __str__(self) -> str:
        return f"bandwidth {say_rate(self.bytes_per_s)}{on(self.links)}"

    def payload(self) -> Payload:
        return {"links": [*self.links], "bytes_per_s": self.bytes_per_s}
