"""Raft."""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.raft.engine import Raft
from quorate.protocols.raft.messages import HardState
from quorate.protocols.raft.options import RaftOptions
from quorate.protocols.raft.rules import Rules

__all__ = ["HardState", "Raft", "RaftOptions", "Rules", "raft"]


def raft(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Raft:
    """The CoreFactory: a node of a Raft group, fresh or from what its log gave back."""
    if not isinstance(options, RaftOptions):
        raise TypeError(f"options must be RaftOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, HardState):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return Raft(node, members, options, rng, incarnation, promise, snapshot, entries)
