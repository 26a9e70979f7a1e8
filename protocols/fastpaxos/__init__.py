"""Fast Paxos."""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.fastpaxos.engine import FastPaxos
from quorate.protocols.fastpaxos.messages import FastPromised
from quorate.protocols.fastpaxos.options import FastPaxosOptions
from quorate.protocols.fastpaxos.rules import FastRules

__all__ = ["FastPaxos", "FastPaxosOptions", "FastPromised", "FastRules", "fastpaxos"]


def fastpaxos(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> FastPaxos:
    """The CoreFactory: a node of a Fast Paxos group, fresh or from what its log gave back."""
    if not isinstance(options, FastPaxosOptions):
        raise TypeError(f"options must be FastPaxosOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, FastPromised):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return FastPaxos(node, members, options, rng, incarnation, promise, snapshot, entries)
