"""What Multi-Paxos's parts share, and one number more: in which fast rounds of its ballot this acceptor votes no more.

Persistent (durable before it is answered): the promised ballot and stage, and the vote of the highest round in each slot.
"""

from random import Random

from quorate.protocols.core import Configuration, Entry, Message, NodeId, Snapshot
from quorate.protocols.fastpaxos.messages import FastPromised
from quorate.protocols.fastpaxos.options import FastPaxosOptions
from quorate.protocols.fastpaxos.rules import FastRules
from quorate.protocols.multipaxos.messages import Promised
from quorate.protocols.multipaxos.state import State


class FastState(State):
    """`options` and `rules` as Multi-Paxos's parts see them; `figures` and `fast_rules` are the same, whole."""

    def __init__(
        self,
        node: NodeId,
        members: Configuration,
        options: FastPaxosOptions,
        rules: FastRules,
        rng: Random,
        incarnation: int,
        promise: FastPromised | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> None:
        kept = None if promise is None else Promised(promise.ballot, promise.chosen, promise.number)
        super().__init__(node, members, options, rules, rng, incarnation, kept, snapshot, entries)
        self.figures = options
        self.fast_rules = rules
        self.stage = promise.stage if promise else 0
        """In our ballot: no votes in fast rounds below this one, and in this one only in the life that entered it."""

    def set_ballot(self, ballot: int) -> None:
        super().set_ballot(ballot)
        self.stage = 0

    def set_stage(self, stage: int) -> None:
        if stage > self.stage:
            self.stage = stage
            self.unsaved = True

    def promise(self) -> Message:
        rules = self.fast_rules
        return FastPromised(
            rules.ballot_to_persist(self.ballot), rules.chosen_to_persist(self.commit), self.number, rules.stage_to_persist(self.stage)
        )
