"""The safety rules that Fast Paxos adds, each taken out by overriding one method of `FastRules`.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Mapping

from quorate.protocols.fastpaxos import FastPaxos, FastRules
from quorate.protocols.fastpaxos.votes import Value
from quorate.protocols.simulation.ablations.broken import without
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.fastpaxos_view import FASTPAXOS


def fastpaxos_without(rules: type[FastRules]) -> Engine:
    """Fast Paxos as the simulator runs it, but for one rule."""
    return without(FASTPAXOS, FastPaxos, rules())


class MajorityAsFastQuorum(FastRules):
    def fast_quorum(self, count: int) -> int:
        return self.recovery_quorum(count)


class RecoversAlone(FastRules):
    """Its own report is enough."""

    def recovery_quorum(self, count: int) -> int:
        return 1


class PicksAnyValue(FastRules):
    """The value with the lowest name, whatever may have been chosen."""

    def may_be_chosen(self, counts: Mapping[Value, int], reported: int, count: int) -> Value | None:
        return min(counts, default=None)


class StageNotPersisted(FastRules):
    def stage_to_persist(self, stage: int) -> int:
        return 0


class EntersAnyRound(FastRules):
    """Also one that it has closed, or voted in before its process died."""

    def may_enter(self, stage: int, promised: int) -> bool:
        return True


class VotesTwiceInASlot(FastRules):
    def next_slot(self, following: int, known: int) -> int:
        return max(following - 1, known + 1)


class VotesForAnOriginTwice(FastRules):
    def is_voted_for(self, *, voted: bool) -> bool:
        return False


class VotedBeforeSync(FastRules):
    def voted_after_sync(self) -> bool:
        return False


class AnyBeforeTakingOver(FastRules):
    """Over slots that phase 1 reported, and that have no proposal yet."""

    def may_begin(self, opened: int, end: int) -> bool:
        return True


class BeginsAboveItsOwn(FastRules):
    """As if what the acceptors report above the leader's last slot were nothing."""

    def closes_at(self, reported: int, opened: int) -> int:
        return opened


class GivesAnOriginTwoSlots(FastRules):
    def wins_one_slot(self, void: bool) -> bool:
        return False


class ProposesAgainTooSoon(FastRules):
    def may_propose_again(self, commit: int, first: int) -> bool:
        return True


class ReadsWhatTheLeaderKnows(FastRules):
    def read_floor(self, commit: int, tail: int) -> int:
        return commit


class LeaseInFastRounds(FastRules):
    def lease_holds_in_fast_rounds(self) -> bool:
        return True
