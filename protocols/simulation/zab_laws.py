"""ZAB's own invariants, beside those that every engine has (Junqueira, Reed & Serafini, DSN 2011, sections III and V).

What a leader established is looked up on the simulated disks, not in what the leader believes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.protocols.core import Core, Effects, Entry, NodeId
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.zab import Epochs, Zab
from quorate.protocols.zab.roles import BROADCAST, Leader

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

EPOCH_ORDER = "the accepted epoch is never below the current one, and the current one never falls"
ESTABLISHED = "a leader serves only after a quorum durably holds its history under its epoch"
PRIMARY_INTEGRITY = "a leader proposes in its own epoch only, and nothing before that is established"
HISTORY_FIRST = "whose current epoch is e holds the history that e began with"
ZXID_ORDER = "what is delivered comes in the order of zxids"


class ZabLaws:
    """Of one world."""

    def __init__(self, nodes: Mapping[NodeId, "Node"]) -> None:
        self._nodes = nodes
        self._beginnings: dict[int, tuple[int, int]] = {}
        """By epoch: the last zxid of the history that its leader began with."""
        self._established: set[int] = set()
        self._currents: dict[tuple[NodeId, int], int] = {}
        """The current epoch that each life of a node has written last."""

    def wrote(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node's batch is in its log, though not durable yet, and nothing of it that must wait for the disk has left."""
        assert isinstance(core, Zab)
        state, role = core.state, core.state.role
        if isinstance(role, Leader) and role.first_index:
            end = role.first_index - 1
            self._beginnings.setdefault(role.epoch, (state.log.term_at(end) or 0, end))
            if role.phase == BROADCAST and role.epoch not in self._established:
                self._establishes(node, role)
        for entry in effects.entries:
            # What came before it was elected within this turn is of earlier epochs, and lies before its own.
            if isinstance(role, Leader) and self._is_wrong(role, entry):
                raise Violation(PRIMARY_INTEGRITY, f"{node} proposes {entry.index} of epoch {entry.term} as {role.phase} of {role.epoch}")
        for one, next_one in zip(effects.committed, effects.committed[1:]):
            if (one.term, one.index) >= (next_one.term, next_one.index):
                raise Violation(ZXID_ORDER, f"{node} delivers {next_one.index} of epoch {next_one.term} after epoch {one.term}")
        if isinstance(effects.promise, Epochs):
            self._promises(node, effects.promise)

    def _is_wrong(self, role: Leader, entry: Entry) -> bool:
        if role.phase != BROADCAST:
            return entry.term == role.epoch
        return entry.index >= role.first_index and entry.term != role.epoch

    def _promises(self, node: "Node", promise: Epochs) -> None:
        durable, life = node.disk.durable.promise, (node.name, node.incarnation)
        before = self._currents.get(life, durable.current if isinstance(durable, Epochs) else 0)
        self._currents[life] = promise.current
        if promise.current > promise.accepted or promise.current < before:
            raise Violation(EPOCH_ORDER, f"{node} writes {promise} after the current epoch {before}")
        # Only as it becomes current: a later leader may truncate what an epoch that was never established began with.
        term, index = self._beginnings.get(promise.current, (0, 0))
        if promise.current > before and not node.written.holds(index, term):
            raise Violation(HISTORY_FIRST, f"{node} writes {promise} without {index} of epoch {term}, with which it began")

    def _establishes(self, node: "Node", role: Leader) -> None:
        self._established.add(role.epoch)
        term, index = self._beginnings[role.epoch]
        # Within this turn it may have proposed the next configuration already.
        configuration = node.written_configuration(below=role.first_index)
        voters = configuration.voters
        nodes = [self._nodes[name] for name in sorted(voters) if name in self._nodes]
        # A disk that was lost after it had acknowledged is known to count no more.
        holders = [one.name for one in nodes if self._holds(one, role.epoch, index, term) or not one.votes_in(configuration)]
        if 2 * len(holders) <= len(voters):
            raise Violation(ESTABLISHED, f"{node} serves epoch {role.epoch} with the durable history of {holders} of {sorted(voters)}")

    def _holds(self, node: "Node", epoch: int, index: int, term: int) -> bool:
        promise = node.disk.durable.promise
        return isinstance(promise, Epochs) and promise.current >= epoch and node.disk.durable.holds(index, term)
