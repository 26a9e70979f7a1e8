"""From a leader's crash to the next leader, and to the first write that it serves."""

from dataclasses import dataclass
from random import Random

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.measuring.rig import Physics, Rig, Size
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.schedule import SECOND
from quorate.protocols.simulation.shapes import isolate

WARM_WRITES = 10
CRASH_NS = SECOND
"""The crash falls anywhere in such a span after the cluster has settled: at any time between two heartbeats and within a tick."""
ELECTED_NS_MAX = 60 * SECOND
ALIGNED_NS_MAX = 120 * SECOND
BULK = 1_000
"""Writes of one turn while a follower is made to lag."""


@dataclass(frozen=True, slots=True)
class Election:
    """One election after one crash; times in ns from the crash on."""

    elected_ns: int
    """Somebody leads: a quorum granted it its term, epoch or ballot."""
    served_ns: int
    """A client that asks whoever leads, and asks again after 1 ms, has its first write answered."""
    rounds: int
    """Terms, epochs or ballots that anybody entered until then: more than one is an election that had to be repeated."""
    messages: int
    """Sent until somebody leads."""
    served_messages: int
    """Sent until the first write is answered."""
    leader_lagged: bool
    """Whether the follower that lagged was elected."""
    aligned_ns: int = 0
    """The follower that lagged has applied all, that write too."""


def crash(engine: Engine, options: object, size: Size, seed: int, *, nodes: int, closes: bool) -> Election:
    """The leader's process dies. `closes`: its connections close at once; else nobody is told (its machine is gone, not the process)."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=Physics(closes=closes))
    rig.boot()
    for _ in range(WARM_WRITES):
        rig.write_one()
    rig.rest(SECOND + Random(f"{seed}/crash").randrange(CRASH_NS))
    leader = rig.leader()
    assert leader is not None, rig
    return _elect(rig, leader, None)


def crash_with_lag(engine: Engine, options: object, size: Size, seed: int, *, nodes: int, lag: int) -> Election:
    """The leader dies at the moment at which a follower comes back that stood still while `lag` entries were written."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=Physics())
    first = rig.boot()
    rig.rest(SECOND + Random(f"{seed}/crash").randrange(CRASH_NS))
    slow = Random(f"{seed}/slow").choice([node for node in rig.nodes.values() if node is not first])
    away(rig, slow)
    write_many(rig, lag)
    leader = rig.leader()
    assert leader is not None, rig
    rig.network.heal()
    slow.resume()
    return _elect(rig, leader, slow)


def away(rig: Rig, node: Node) -> None:
    """The process stands still, and what is sent to it is lost."""
    node.paused = True
    rig.network.cut(isolate(list(rig.nodes), node.name))


def write_many(rig: Rig, count: int) -> None:
    """So many writes, in large batches; all nodes but those that are away have applied them."""
    left = count
    while left:
        leader = rig.leader()
        assert leader is not None, rig
        made = rig.ask_many(leader, min(BULK, left))
        rig.run(lambda made=made: all(request.outcome is not None for request in made), ELECTED_NS_MAX, "a bulk of writes")  # type: ignore[misc]
        left -= sum(request.done for request in made)
    rig.align([node for node in rig.nodes.values() if node.core is not None and not node.paused], ELECTED_NS_MAX)


def _elect(rig: Rig, leader: Node, slow: Node | None) -> Election:
    begun_ns, before = rig.now, rig.counts.copy()
    terms, led = set(rig.tenures.terms), set(rig.tenures.leaders)
    rig.crash(leader)
    rig.run(lambda: _successor(rig, led) is not None, ELECTED_NS_MAX, "an election")
    elected_ns, messages = rig.now - begun_ns, rig.counts.since(before).total
    successor = _successor(rig, led)
    rounds = len(rig.tenures.terms - terms)
    rig.write_one(within_ns=ALIGNED_NS_MAX)
    served_ns, served = rig.now - begun_ns, rig.counts.since(before).total
    if slow is not None:
        rig.align([slow], ALIGNED_NS_MAX)
    aligned_ns = rig.now - begun_ns if slow is not None else 0
    return Election(elected_ns, served_ns, rounds, messages, served, slow is not None and successor == slow.name, aligned_ns)


def _successor(rig: Rig, led: set[tuple[NodeId, int]]) -> NodeId | None:
    """Who leads a term that nobody led before."""
    for node in rig.nodes.values():
        if node.core is not None and node.leads and (node.name, node.leads) not in led:
            return node.name
    return None
