"""One fast round, as a node sees it: what its own acceptor did, and what all acceptors said that they did."""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from quorate.protocols.core import NodeId
from quorate.protocols.fastpaxos.rules import FastRules

Table = dict[NodeId, dict[int, int]]
"""By acceptor and slot: the origin voted for; zero: not there, and never in this round."""


@dataclass(slots=True)
class Stage:
    """The fast round that Any(ballot, number, first, through) began, and `number` + 1, in which its acceptors recover by themselves."""

    ballot: int
    number: int
    first: int
    through: int
    following: int
    """The slot for the next value that arrives."""
    votes_here: bool = False
    """Whether our acceptor votes in it."""
    slots: dict[int, int] = field(default_factory=dict)
    """By origin: where our acceptor voted for it."""
    recovered: set[int] = field(default_factory=set)
    """Origins that our acceptor has voted for in the recovering round."""
    recovered_slots: set[int] = field(default_factory=set)
    data: dict[int, bytes] = field(default_factory=dict)
    """By origin: values that our acceptor voted for and that are not chosen yet."""
    chosen: set[int] = field(default_factory=set)
    """Origins chosen in a slot from `first` on."""
    votes: Table = field(default_factory=dict)
    again: Table = field(default_factory=dict)
    """The same of the recovering round."""

    @property
    def is_fast(self) -> bool:
        return self.through >= self.first

    def record(self, acceptor: NodeId, stage: int, first: int, origins: Iterable[int], above: int) -> None:
        """What an acceptor says of its durable votes, as far as it concerns slots above that one."""
        table = self.votes if stage == self.number else self.again
        known = table.setdefault(acceptor, {})
        for slot, origin in enumerate(origins, first):
            # The recovering round goes by single slots: what is left out there says nothing.
            if above < slot <= self.through and (origin or table is self.votes):
                known.setdefault(slot, origin)

    def chosen_at(self, slot: int, voters: Collection[NodeId], rules: FastRules) -> tuple[int, Table] | None:
        """The origin that a fast quorum of these has voted for in the slot, and in which of the two rounds."""
        needed = rules.fast_quorum(len(voters))
        for table in (self.votes, self.again):
            counts = self._counts(table, slot, voters)
            for origin, count in counts.items():
                if count >= needed:
                    return origin, table
        return None

    def has_collided(self, slot: int, voters: Collection[NodeId], rules: FastRules) -> bool:
        """Whether votes are so divided that no fast quorum can have one value in this slot any more."""
        voted = [self.votes[name][slot] for name in voters if slot in self.votes.get(name, ())]
        if not voted:
            return False
        most = max(self._counts(self.votes, slot, voters).values(), default=0)
        return most + len(voters) - len(voted) < rules.fast_quorum(len(voters))

    def heard_all(self, low: int, voters: Collection[NodeId], needed: int) -> tuple[int, list[NodeId]]:
        """(slot, acceptors): the highest slot up to which, from `low` on, that many have told all their votes, and who."""
        ends: dict[NodeId, int] = {}
        for name in voters:
            known, slot = self.votes.get(name, {}), low
            while slot in known:
                slot += 1
            ends[name] = slot - 1
        end = sorted(ends.values(), reverse=True)[needed - 1]
        return end, sorted(name for name in voters if ends[name] >= end)

    def prune(self, slot: int) -> None:
        """Nobody asks for votes up to there any more."""
        for table in (self.votes, self.again):
            for known in table.values():
                for old in [one for one in known if one <= slot]:
                    del known[old]

    @staticmethod
    def _counts(table: Table, slot: int, voters: Collection[NodeId]) -> Counter[int]:
        return Counter(origin for name in sorted(voters) if (origin := table.get(name, {}).get(slot, 0)))
