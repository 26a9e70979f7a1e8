"""Multi-Paxos's own invariants, beside those that every engine has: Lamport's Voting (the TLA+ module of that name, and "Paxos Made
Simple", 2.2), slot by slot.

Votes are read off what nodes write, and whether they are safe off the simulated disks, never from what a node believes.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.protocols.core import NO_ORIGIN, Core, Effects, Entry, NodeId, born
from quorate.protocols.multipaxos import MultiPaxos, Promised
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.simulation.ledger import Violation

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

ONE_VALUE = "one value per ballot and slot"
VOTES_RISE = "an acceptor votes once per ballot and slot, and never below an earlier vote or promise of its own"
VOTES_SAFE = "a vote is safe: in no lower ballot can another value be chosen"
CHOSEN_STAYS = "what was chosen is the only value that anybody votes for in a later ballot"
ONE_SLOT = "an origin is voted for in one slot only"
WINDOW = "at most alpha slots are open"


class MultiPaxosLaws:
    """Of one world."""

    def __init__(self, nodes: Mapping[NodeId, "Node"]) -> None:
        self._nodes = nodes
        self._proposed: dict[tuple[int, int], tuple[int, int, int, bytes]] = {}
        """By slot and ballot: the value, and the ballot of its birth."""
        self._slots: dict[int, int] = {}
        """By origin: where it was voted for."""

    def wrote(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node's batch is in its log, though not durable yet, and nothing of it that must wait for the disk has left."""
        assert isinstance(core, MultiPaxos)
        promise = effects.promise.ballot if isinstance(effects.promise, Promised) else node.promised[0]
        for entry in effects.entries:
            self._votes(node, core, entry, max(promise, core.state.ballot))
        role = core.state.role
        if isinstance(role, Leader) and role.opened > core.state.commit + core.state.options.alpha:
            raise Violation(WINDOW, f"{node} has opened {role.opened}; all is chosen up to {core.state.commit}")

    def _votes(self, node: "Node", core: MultiPaxos, entry: Entry, promise: int) -> None:
        slot, ballot = entry.index, entry.term
        value = (born(entry), entry.origin, entry.kind, entry.data)
        known = self._proposed.get((slot, ballot))
        if known is None:
            self._proposed[slot, ballot] = value
            self._proposes(node, entry)
        elif known != value:
            raise Violation(ONE_VALUE, f"{node} votes for {value} in slot {slot} and ballot {ballot}; it was proposed as {known}")
        if ballot > promise:
            raise Violation(VOTES_RISE, f"{node} votes in slot {slot} in ballot {ballot}, which it has not promised: {promise}")
        before = node.disk.durable.entries.get(slot)
        if before is not None and (ballot < before.term or (ballot == before.term and born(before) != born(entry))):
            raise Violation(VOTES_RISE, f"{node} votes in slot {slot} in ballot {ballot} after a vote in {before.term}")
        durable = node.disk.durable.promise
        if isinstance(durable, Promised) and ballot < durable.ballot:
            raise Violation(VOTES_RISE, f"{node} votes in slot {slot} in ballot {ballot} after promising {durable.ballot}")
        ledger = node.host.watch.ledger
        if slot <= ledger.end and ballot >= ledger.decided_in[slot] and born(entry) != ledger.terms[slot]:
            raise Violation(CHOSEN_STAYS, f"{node} votes for {value} in slot {slot} and ballot {ballot}; {ledger.terms[slot]} is chosen")

    def _proposes(self, node: "Node", entry: Entry) -> None:
        """The first vote of a ballot in a slot."""
        slot, ballot = entry.index, entry.term
        if entry.origin != NO_ORIGIN and self._slots.setdefault(entry.origin, slot) != slot:
            raise Violation(ONE_SLOT, f"{node} votes for origin {entry.origin:x} in slot {slot}; it stands in {self._slots[entry.origin]}")
        configuration = node.host.watch.ledger.governing(slot)
        # Another disk under an acceptor's name has no vote.
        voters = [one for one in self._nodes.values() if one.votes_in(configuration)]
        votes = [(one, one.disk.durable.entries.get(slot)) for one in voters]
        others = [vote for _, vote in votes if vote is not None and vote.term < ballot and born(vote) != born(entry)]
        for rival in sorted({(vote.term, born(vote)) for vote in others}):
            able = [one.name for one, vote in votes if self._may_have_voted(one, vote, rival)]
            if 2 * len(able) > len(configuration.voters):
                raise Violation(
                    VOTES_SAFE, f"{node} votes in slot {slot} in ballot {ballot}; {able} may still choose what ballot {rival[0]} proposed"
                )

    @staticmethod
    def _may_have_voted(node: "Node", vote: Entry | None, rival: tuple[int, int]) -> bool:
        """Whether this acceptor voted for the rival, or still may: it promised nothing above."""
        if vote is not None and (vote.term, born(vote)) == rival:
            return True
        promise = node.disk.durable.promise
        return not isinstance(promise, Promised) or promise.ballot <= rival[0]
