"""Fast Paxos's own invariants, beside those that every engine has: Lamport's Voting with two kinds of rounds (Fast Paxos, 2.2), slot by
slot.

Votes are read off what nodes write, and whether they are safe off the simulated disks, never from what a node believes. A round is
(ballot, stage), as in protocols/fastpaxos/votes.py.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from quorate.protocols.core import Configuration, Core, Effects, Entry, NodeId, born
from quorate.protocols.fastpaxos import FastPaxos, FastPromised, quorums
from quorate.protocols.fastpaxos.votes import CLASSIC, Round, Value, stage_of, vote_of
from quorate.protocols.multipaxos.roles import Leader
from quorate.protocols.simulation.ledger import Violation

if TYPE_CHECKING:
    from quorate.protocols.simulation.node import Node

ONE_VALUE = "one value per slot and classic round"
VOTES_RISE = "an acceptor votes once per round and slot, and never below an earlier vote or promise of its own"
VOTES_SAFE = "a vote is safe: in no lower round can another value be chosen"
CHOSEN_STAYS = "what was chosen is the only value that anybody votes for in a later round"
ONE_VOTE_PER_ORIGIN = "an acceptor votes for an origin in one slot per fast round"
ANY_FIRST = "nobody votes in a fast round that its coordinator did not begin, or below its first slot"
FAST_QUORUM = "what a fast round chose is on the disks of a fast quorum"
WINDOW = "at most alpha slots are open, and no fast vote is given beyond the fast window"


class FastPaxosLaws:
    """Of one world."""

    def __init__(self, nodes: Mapping[NodeId, "Node"]) -> None:
        self._nodes = nodes
        self._proposed: dict[tuple[int, int], tuple[Value, bytes]] = {}
        """By slot and ballot: what the classic round is for."""
        self._begun: dict[Round, int] = {}
        """Fast rounds, and their first slots."""
        self._cast: dict[tuple[str, int, Round], tuple[int, int]] = {}
        """By disk, origin and fast round: where it voted, and in which life."""

    def wrote(self, node: "Node", core: Core, effects: Effects) -> None:
        """The node's batch is in its log, though not durable yet, and nothing of it that must wait for the disk has left."""
        assert isinstance(core, FastPaxos)
        role, state = core.state.role, core.fast_state
        if isinstance(role, Leader):
            message = core.coordinator.message
            if message is not None:
                self._begun[message.ballot, message.stage] = message.first
            if role.opened > state.commit + state.options.alpha:
                raise Violation(WINDOW, f"{node} has opened {role.opened}; all is chosen up to {state.commit}")
        promise = effects.promise if isinstance(effects.promise, FastPromised) else node.disk.durable.promise
        promised = max(promise.ballot if isinstance(promise, FastPromised) else 0, node.promised[0], state.ballot)
        for entry in effects.entries:
            if entry.term > promised:
                raise Violation(VOTES_RISE, f"{node} votes in slot {entry.index} in ballot {entry.term}, having promised {promised}")
            self._votes(node, core, entry)
        for entry in effects.committed:
            self._chosen(node, entry)

    def _votes(self, node: "Node", core: FastPaxos, entry: Entry) -> None:
        slot, (round_, value) = entry.index, vote_of(entry)
        if round_[1] == CLASSIC:
            # A vote that a learner gives to what it knows to be chosen is one of the classic round too.
            known = self._proposed.setdefault((slot, entry.term), (value, entry.data))
            if known != (value, entry.data):
                raise Violation(ONE_VALUE, f"{node} votes for {value} in slot {slot} and ballot {entry.term}; it was proposed as {known}")
        else:
            self._fast(node, core, entry, round_)
        before = node.disk.durable.entries.get(slot)
        if before is not None:
            vote = vote_of(before)
            if round_ < vote.round or (round_ == vote.round and value != vote.value):
                raise Violation(VOTES_RISE, f"{node} votes in slot {slot} in {round_} for {value} after {vote}")
        durable = node.disk.durable.promise
        if isinstance(durable, FastPromised) and round_ < (durable.ballot, durable.stage):
            raise Violation(VOTES_RISE, f"{node} votes in slot {slot} in {round_} after promising {durable}")
        ledger = node.host.watch.ledger
        if slot <= ledger.end and entry.term >= ledger.decided_in[slot] and round_[1] == CLASSIC:
            chosen = (ledger.terms[slot], ledger.origin(slot))
            if value != chosen:
                raise Violation(CHOSEN_STAYS, f"{node} votes for {value} in slot {slot} and {round_}; {chosen} is chosen")
        self._is_safe(node, slot, round_, value)

    def _fast(self, node: "Node", core: FastPaxos, entry: Entry, round_: Round) -> None:
        slot, begun = entry.index, (round_[0], round_[1] & ~1)
        stage = core.voting.stage
        if begun not in self._begun and stage is not None and not self._is_led(begun[0]):
            # Any left, and its sender died before its turn was over: the acceptor's word for it must do.
            self._begun[begun] = stage.first
        if begun not in self._begun or slot < self._begun[begun]:
            raise Violation(ANY_FIRST, f"{node} votes in slot {slot} in {round_}; begun are {self._begun.get(begun, 'no slots of it')}")
        key = (node.storage, entry.origin, round_)
        where, life = self._cast.setdefault(key, (slot, node.incarnation))
        # What was not durable when the process died was told to nobody, and may be voted for anew.
        kept = node.disk.durable.entries.get(where)
        if where != slot and (life == node.incarnation or (kept is not None and vote_of(kept) == vote_of(entry))):
            raise Violation(ONE_VOTE_PER_ORIGIN, f"{node} votes for {entry.origin:x} in slot {slot} in {round_}, and did in {where}")
        self._cast[key] = (slot, node.incarnation)
        window = core.fast_state.figures.fast_window
        if slot > core.state.commit + window:
            raise Violation(WINDOW, f"{node} votes in slot {slot} of a fast round; it knows {core.state.commit} to be chosen")

    def _is_led(self, ballot: int) -> bool:
        cores = [one.core for one in self._nodes.values() if isinstance(one.core, FastPaxos)]
        return any(core.state.ballot == ballot and isinstance(core.state.role, Leader) for core in cores)

    def _is_safe(self, node: "Node", slot: int, round_: Round, value: Value) -> None:
        """Nothing else can have been chosen in a lower round, or still be."""
        configuration = node.host.watch.ledger.governing(slot)
        # Another disk under an acceptor's name has no vote.
        voters = [one for one in self._nodes.values() if one.votes_in(configuration)]
        votes = [(one, one.disk.durable.entries.get(slot)) for one in voters]
        rivals = {vote_of(vote) for _, vote in votes if vote is not None}
        for rival in sorted(rival for rival in rivals if rival.round < round_ and rival.value != value):
            able = [one.name for one, vote in votes if self._may_have_voted(one, vote, rival.round, rival.value)]
            if len(able) >= needed(rival.round, configuration):
                raise Violation(VOTES_SAFE, f"{node} votes for {value} in slot {slot} in {round_}; {able} may still choose {rival}")

    @staticmethod
    def _may_have_voted(node: "Node", vote: Entry | None, round_: Round, value: Value) -> bool:
        """Whether this acceptor voted for that value in that round, or still may: it promised nothing above, and has not voted."""
        if vote is not None and vote_of(vote).round >= round_:
            return vote_of(vote) == (round_, value)
        promise = node.disk.durable.promise
        # Who closed a fast round, an even one, votes in the recovering one after it no more either.
        bar = round_ if round_[1] == CLASSIC else (round_[0], round_[1] & ~1)
        return not isinstance(promise, FastPromised) or (promise.ballot, promise.stage) <= bar

    def _chosen(self, node: "Node", entry: Entry) -> None:
        """A node gives this out as chosen: a quorum of one round has it on disk. Disks show the last vote only; where it is for the
        same value in a classic round, that round's quorum will do."""
        slot, value = entry.index, (entry.term, entry.origin)
        configuration = node.host.watch.ledger.governing(slot)
        fast: dict[Round, int] = {}
        held = classic = 0
        for one in self._nodes.values():
            if one.name not in configuration.voters:
                continue
            vote = one.disk.durable.entries.get(slot)
            if slot <= one.disk.durable.base or not one.votes_in(configuration):
                held, classic = held + 1, classic + 1
            elif vote is not None and (born(vote), vote.origin) == value:
                held += 1
                if stage_of(vote) == CLASSIC:
                    classic += 1
                else:
                    fast[vote_of(vote).round] = fast.get(vote_of(vote).round, 0) + 1
        if classic or not fast:
            return  # majorities are every engine's invariant
        if held < quorums.fast(len(configuration.voters)):
            raise Violation(FAST_QUORUM, f"{node} commits {slot} by the fast votes {fast} among {sorted(configuration.voters)}")


def needed(round_: Round, configuration: Configuration) -> int:
    count = len(configuration.voters)
    return quorums.classic(count) if round_[1] == CLASSIC else quorums.fast(count)
