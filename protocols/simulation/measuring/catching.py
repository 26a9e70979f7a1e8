"""How long a follower that was away needs to catch up, by the log and by a snapshot."""

from dataclasses import dataclass
from random import Random

from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.measuring.elections import ALIGNED_NS_MAX, write_many
from quorate.protocols.simulation.measuring.rig import Physics, Rig, Size, Stuck
from quorate.protocols.simulation.schedule import SECOND

LAG = 20_000
"""Twice the entries that engines keep below a snapshot for slow followers (their option `margin_entries`)."""
COMPACT_EVERY = 2_000


@dataclass(frozen=True, slots=True)
class CatchUp:
    """From the start of the follower's process until it has applied all."""

    took_ns: int
    messages: int
    bytes: int


def catch_up(engine: Engine, options: object, size: Size, seed: int, *, by_snapshot: bool, lag: int = LAG) -> CatchUp:
    """A follower was down while `lag` entries were written. `by_snapshot`: the others have dropped most of them from their logs."""
    rig = Rig(engine, options, size, seed, physics=Physics(), compact_every=COMPACT_EVERY if by_snapshot else 0)
    leader = rig.boot()
    slow = Random(f"{seed}/slow").choice([node for node in rig.nodes.values() if node is not leader])
    rig.crash(slow)
    write_many(rig, lag)
    rig.rest(SECOND)
    begun_ns, before = rig.now, rig.counts.copy()
    rig.start(slow)
    rig.run_clock(slow)
    rig.align([slow], ALIGNED_NS_MAX)
    spent = rig.counts.since(before)
    ways = ("the log", "a snapshot")
    if bool(spent.messages["snapshot"]) != by_snapshot:
        raise Stuck(f"{engine.name}, seed {seed}: caught up by {ways[not by_snapshot]}, where {ways[by_snapshot]} was to be measured")
    return CatchUp(rig.now - begun_ns, spent.total, spent.bytes)
