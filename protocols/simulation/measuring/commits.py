"""What one write or read costs, and what an idle cluster says."""

from collections import Counter
from dataclasses import dataclass
from statistics import median_low

from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.measuring.rig import COUNTABLE, Counts, Physics, Request, Rig, Size, Stuck
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND

LONE = 41
"""Odd, so that a median is one of them. Heartbeats fall into fewer than half of them."""
APART_NS = 25 * MILLISECOND
"""Between two lone requests: longer than the commit notice of the one before waits for its tick."""
IN_FLIGHT = (1, 16, 64, 256)
BATCHES = 40
IDLE_NS = 10 * SECOND
ANSWER_NS_MAX = 10 * SECOND
REDIRECT_DELAYS = 2
"""A refusal's way back to the client, and the request's way to the leader that it names."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request, alone in the cluster."""

    delays: int
    """Messages one after the other until the asked node can answer, redirection included."""
    fsyncs_before: int
    """Fsyncs one after the other until then."""
    redirected: bool
    messages: int
    bytes: int
    fsyncs: int
    """On all nodes together, until everybody knows."""
    kinds: dict[str, int]
    """The messages by type."""


def lone(engine: Engine, options: object, size: Size, seed: int, *, kind: str = "write", at_leader: bool = True, nodes: int = 3) -> Cost:
    """The median of LONE requests, so that heartbeats in between do not count."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=COUNTABLE)
    leader = rig.boot()
    asked = leader if at_leader else next(node for node in rig.nodes.values() if node is not leader)
    rig.rest(SECOND)
    costs = [_one(rig, asked, kind) for _ in range(LONE)]
    middle = median_low([cost.messages for cost in costs])
    typical = next(cost for cost in costs if cost.messages == middle)
    return Cost(
        median_low([cost.delays for cost in costs]),
        median_low([cost.fsyncs_before for cost in costs]),
        costs[0].redirected,
        middle,
        typical.bytes,
        median_low([cost.fsyncs for cost in costs]),
        typical.kinds,
    )


def _one(rig: Rig, asked: Node, kind: str) -> Cost:
    before, begun_ns = rig.counts.copy(), rig.now
    request, redirected = rig.ask(asked, kind), False
    _answered(rig, request)
    took_ns = request.took_ns
    if not request.done and request.leader is not None:
        redirected = True
        request = rig.ask(rig.nodes[request.leader], kind)
        _answered(rig, request)
        took_ns += REDIRECT_DELAYS * rig.physics.message_ns + request.took_ns
    if not request.done:
        raise Stuck(f"{rig.engine.name}: a {kind} at {asked.name} ended as {request.outcome} in a healthy cluster")
    rig.rest(begun_ns + APART_NS - rig.now)
    spent = rig.counts.since(before)
    delays, rest_ns = divmod(took_ns, rig.physics.message_ns)
    return Cost(
        delays, rest_ns // rig.physics.fsync_ns, redirected, spent.total, spent.bytes, spent.fsyncs, dict(sorted(spent.messages.items()))
    )


def _answered(rig: Rig, request: Request) -> None:
    rig.run(lambda: request.outcome is not None, ANSWER_NS_MAX, "one answer")


def batched(engine: Engine, options: object, size: Size, seed: int, in_flight: int, nodes: int = 3) -> tuple[float, float, float]:
    """(messages, bytes, fsyncs) for each write, when so many meet in a turn of the leader, and again as soon as they are answered."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=Physics())
    leader = rig.boot()
    rig.rest(SECOND)
    before, writes = rig.counts.copy(), 0
    for _ in range(BATCHES):
        made = rig.ask_many(leader, in_flight)
        rig.run(lambda made=made: all(request.outcome is not None for request in made), ANSWER_NS_MAX, "one batch")  # type: ignore[misc]
        if not all(request.done for request in made):
            raise Stuck(f"{engine.name}: a batch of {in_flight} was refused in a healthy cluster")
        writes += in_flight
    spent = rig.counts.since(before)
    return spent.total / writes, spent.bytes / writes, spent.fsyncs / writes


def idle(engine: Engine, options: object, size: Size, seed: int, nodes: int = 3) -> tuple[float, float, Counter[str]]:
    """(messages, bytes) a second that a cluster without clients sends, and the messages of the whole time by type."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=COUNTABLE)
    rig.boot()
    rig.rest(2 * SECOND)
    before: Counts = rig.counts.copy()
    rig.rest(IDLE_NS)
    spent, seconds = rig.counts.since(before), IDLE_NS / SECOND
    return spent.total / seconds, spent.bytes / seconds, spent.messages
