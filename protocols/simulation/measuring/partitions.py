"""Links cut one way and in part, for good: who leads, how often that changes, and who can write meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.measuring.rig import Physics, Request, Rig, Size
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND
from quorate.protocols.simulation.shapes import Pair, bridge, halves, isolate, one_way, ring

LASTS_NS = 20 * SECOND
"""Twenty election timeouts: what has not settled by then does not."""
SETTLING_NS = 10 * SECOND
"""Who is still silent after so long does not go on."""
PROBE_NS = 50 * MILLISECOND
SLOT_NS = 100 * MILLISECOND
"""A slot counts as available if a write is answered in it."""

OLD, ANOTHER, NOBODY = "the old leader", "another", "nobody"


@dataclass(frozen=True, slots=True)
class Shape:
    """Which links are cut, when `names` begin with the leader."""

    name: str
    nodes: int
    about: str
    pairs: Callable[[Sequence[NodeId]], list[Pair]]


def star(names: Sequence[NodeId]) -> list[Pair]:
    """All are connected to the last alone."""
    return [pair for one in names[:-1] for pair in halves([one], [other for other in names[:-1] if other != one])]


def in_the_middle(names: Sequence[NodeId]) -> list[NodeId]:
    """The leader in the place that sees both halves of a bridge."""
    return [*names[1 : 1 + len(names) // 2], names[0], *names[1 + len(names) // 2 :]]


SHAPES = (
    Shape("leader cut off", 3, "the leader is cut off both ways", lambda names: isolate(names, names[0])),
    Shape("leader mute", 3, "the leader hears the others, they do not hear it", lambda names: one_way(names[:1], names[1:])),
    Shape("leader deaf", 3, "the others hear the leader, it does not hear them", lambda names: one_way(names[1:], names[:1])),
    Shape(
        "one link cut",
        3,
        "the leader and one follower do not see each other; the other follower sees both",
        lambda names: bridge([names[0], names[2], names[1]]),
    ),
    Shape("bridge, leader beside it", 5, "two halves see each other only through one node; the leader is in a half", bridge),
    Shape("bridge, leader on it", 5, "two halves see each other only through the leader", lambda names: bridge(in_the_middle(names))),
    Shape("star, leader at its edge", 5, "all see only one follower, which sees all", star),
    Shape("ring", 5, "every node sees two others", ring),
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Of a cluster under one shape, for LASTS_NS."""

    available: float
    """Share of the slots in which some write was answered."""
    gap_ms: float
    """The longest time between two answered writes, or to the end."""
    changes: int
    """How often somebody began to lead."""
    disks: int
    """The fewest that held a write when it was acknowledged; 0 if none was."""
    leader: str
    """Who answered the last write: OLD or ANOTHER; NOBODY if that was before SETTLING_NS."""


def behaviour(engine: Engine, options: object, size: Size, seed: int, shape: Shape) -> Behaviour:
    """A client that sees all nodes asks every node that claims to lead, every PROBE_NS."""
    rig = Rig(engine, options, size, seed, nodes=shape.nodes, physics=Physics())
    leader = rig.boot()
    rest = [name for name in rig.nodes if name != leader.name]
    Random(f"{seed}/shape").shuffle(rest)
    rig.rest(SECOND)
    rig.network.cut(shape.pairs([leader.name, *rest]))
    begun_ns, led = rig.now, len(rig.tenures.leaders)
    asked: list[Request] = []
    while rig.now < begun_ns + LASTS_NS:
        asked += [rig.ask(node) for node in rig.nodes.values() if node.leads]
        rig.rest(PROBE_NS)
    done = [request for request in asked if request.done]
    ends = sorted(request.ended_ns - begun_ns for request in done)
    last = max(done, key=lambda request: request.ended_ns, default=None)
    fresh = last is not None and last.ended_ns > begun_ns + SETTLING_NS
    return Behaviour(
        len({at // SLOT_NS for at in ends}) / (LASTS_NS // SLOT_NS),
        max(later - earlier for earlier, later in zip([0, *ends], [*ends, LASTS_NS])) / MILLISECOND,
        len(rig.tenures.leaders) - led,
        min((request.disks for request in done), default=0),
        NOBODY if last is None or not fresh else OLD if last.operation.node == leader.name else ANOTHER,
    )
