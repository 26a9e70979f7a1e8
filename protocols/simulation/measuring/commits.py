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
CONTENDED_APART_NS = 45 * MILLISECOND
"""The same where two nodes are asked at once: whatever they get in each other's way with takes its time."""
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
    return _typical(rig, [asked], kind, APART_NS)


def contended(engine: Engine, options: object, size: Size, seed: int, nodes: int = 3) -> Cost:
    """The same of two writes, proposed at the same moment at the leader and at another node; the delays are those of the later answer."""
    rig = Rig(engine, options, size, seed, nodes=nodes, physics=COUNTABLE)
    leader = rig.boot()
    other = next(node for node in rig.nodes.values() if node is not leader)
    return _typical(rig, [leader, other], "write", CONTENDED_APART_NS)


def _typical(rig: Rig, asked: list[Node], kind: str, apart_ns: int) -> Cost:
    """The median of LONE rounds of requests to these nodes."""
    rig.rest(SECOND)
    costs = [_one(rig, asked, kind, apart_ns) for _ in range(LONE)]
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


def _one(rig: Rig, asked: list[Node], kind: str, apart_ns: int) -> Cost:
    """One request to each of these nodes, all at once; what they cost until the next."""
    before, begun_ns = rig.counts.copy(), rig.now
    requests = [rig.ask(node, kind) for node in asked]
    _answered(rig, requests)
    took_ns, redirected = [], False
    for request in requests:
        took_ns.append(request.took_ns)
        if not request.done and request.leader is not None:
            redirected = True
            again = rig.ask(rig.nodes[request.leader], kind)
            _answered(rig, [again])
            took_ns[-1] += REDIRECT_DELAYS * rig.physics.message_ns + again.took_ns
            request = again
        if not request.done:
            raise Stuck(f"{rig.engine.name}: a {kind} at {request.operation.node} ended as {request.outcome} in a healthy cluster")
    rig.rest(max(begun_ns + apart_ns - rig.now, 0))
    spent = rig.counts.since(before)
    delays, rest_ns = divmod(max(took_ns), rig.physics.message_ns)
    return Cost(
        delays, rest_ns // rig.physics.fsync_ns, redirected, spent.total, spent.bytes, spent.fsyncs, dict(sorted(spent.messages.items()))
    )


def _answered(rig: Rig, requests: list[Request]) -> None:
    rig.run(lambda: all(request.outcome is not None for request in requests), ANSWER_NS_MAX, "one answer")


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
