"""Log shipping."""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.logship.engine import Logship
from quorate.protocols.logship.messages import Tenure
from quorate.protocols.logship.options import LogshipOptions
from quorate.protocols.logship.rules import Rules

__all__ = ["Logship", "LogshipOptions", "Rules", "Tenure", "logship"]


def logship(
    node: NodeId,
    members: Configuration,
    options: object,
    rng: Random,
    incarnation: int,
    promise: Message | None,
    snapshot: Snapshot | None,
    entries: list[Entry],
) -> Logship:
    """The CoreFactory: a node of a group that ships its log, fresh or from what its log gave back."""
    if not isinstance(options, LogshipOptions):
        raise TypeError(f"options must be LogshipOptions, not {type(options).__name__}")
    if promise is not None and not isinstance(promise, Tenure):
        raise TypeError(f"this log was written by another engine: its promise is a {type(promise).__name__}")
    return Logship(node, members, options, incarnation, promise, snapshot, entries)
