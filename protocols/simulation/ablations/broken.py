"""An engine with one rule taken out: its core, subclassed, with other `Rules`. For tests only, as everything in this package."""

from dataclasses import replace
from random import Random

from quorate.protocols.core import Configuration, Core, Entry, Message, NodeId, Snapshot
from quorate.protocols.simulation.engine import Engine


def without(engine: Engine, core: type, rules: object) -> Engine:
    """The engine as the simulator runs it, but with these rules. `core`: its class, which is made as a CoreFactory is called."""
    broken = type("Broken", (core,), {"rules": rules})

    def factory(
        node: NodeId,
        members: Configuration,
        options: object,
        rng: Random,
        incarnation: int,
        promise: Message | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> Core:
        made: Core = broken(node, members, options, rng, incarnation, promise, snapshot, entries)
        return made

    return replace(engine, factory=factory)
