"""Every safety rule that Fast Paxos adds to Multi-Paxos's, each one method on this one page.

A test can switch off exactly one safeguard by overriding one method, and show the invariant that breaks without it. Sources: Lamport,
"Fast Paxos" (2006), by section; "page" is the package's own.
"""

from collections.abc import Mapping

from quorate.protocols.fastpaxos import quorums
from quorate.protocols.fastpaxos.votes import Value
from quorate.protocols.multipaxos.rules import Rules


class FastRules(Rules):
    """The rules as the paper has them."""

    # Quorums

    def fast_quorum(self, count: int) -> int:
        """Any two fast quorums and any classic one have an acceptor in common (2.2, Fast Quorum Requirement)."""
        return quorums.fast(count)

    def recovery_quorum(self, count: int) -> int:
        """Who recovers from a collision, or ends a fast round, has the votes of a classic quorum (2.2, 2.3)."""
        return quorums.classic(count)

    # Voting in a fast round

    def stage_to_persist(self, stage: int) -> int:
        """In which fast rounds no vote is given any more is durable before anybody relies on it (2.2)."""
        return stage

    def may_enter(self, stage: int, promised: int) -> bool:
        """After a restart an acceptor does not know what it voted for without its disk's knowing: not in that fast round again. Nor
        in one that it has closed (2.2: at most one vote per round, none below a promise)."""
        return stage > promised

    def next_slot(self, following: int, known: int) -> int:
        """The slot after the last one voted in: one vote per slot and round (2.2)."""
        return max(following, known + 1)

    def is_voted_for(self, *, voted: bool) -> bool:
        """An acceptor votes for an origin in one slot per fast round, however often it arrives (page, "One slot")."""
        return voted

    def voted_after_sync(self) -> bool:
        """A vote counts when it is durable (2.5 of Made Simple; 2.2)."""
        return True

    # Beginning and ending a fast round

    def may_begin(self, opened: int, end: int) -> bool:
        """Any is sent only for slots in which any value is safe: all that phase 1 reported has a proposal of this ballot (2.2, phase
        2a)."""
        return opened >= end

    def closes_at(self, reported: int, opened: int) -> int:
        """All slots up to the last one reported are decided before another round begins above them."""
        return max(reported, opened)

    # Recovery

    def may_be_chosen(self, counts: Mapping[Value, int], reported: int, count: int) -> Value | None:
        """O4: the value for which some fast quorum may have voted, given its votes among `reported` of `count` acceptors. Two such
        cannot be, for quorums intersect."""
        unknown = count - reported
        able = [value for value, votes in counts.items() if votes + unknown >= self.fast_quorum(count)]
        return able[0] if able else None

    def is_elsewhere_impossible(self, voters: int, count: int) -> bool:
        """A value that may still be chosen in another slot is not taken for this one (page, "One slot")."""
        return voters > count - self.fast_quorum(count)

    def wins_one_slot(self, void: bool) -> bool:
        """An origin that has a slot already, or was voted for in a higher round elsewhere, is not proposed for this one."""
        return void

    # Proposing

    def may_propose_again(self, commit: int, first: int) -> bool:
        """A value that was sent before is sent in a later round only by who knows that it won no slot below that round's first."""
        return commit >= first - 1

    # Reads

    def read_floor(self, commit: int, tail: int) -> int:
        """What a fast round may have chosen without the leader's knowing it yet, a read has to wait for."""
        return max(commit, tail)

    def lease_holds_in_fast_rounds(self) -> bool:
        """Others choose without asking the leader: its lease says nothing about what is chosen."""
        return False

    # Snapshots

    def may_drop(self, index: int, commit: int, fast_window: int) -> bool:
        """Slots are dropped once all is chosen in which their values might have been voted for as well (page, "One slot")."""
        return index + fast_window <= commit + 1
