"""The safety rules of Multi-Paxos, each taken out by overriding one method of `Rules`.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Sequence

from quorate.protocols.core import Configuration, Entry
from quorate.protocols.multipaxos import MultiPaxos, Rules
from quorate.protocols.simulation.ablations.broken import without
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.multipaxos_view import MULTIPAXOS


def multipaxos_without(rules: type[Rules]) -> Engine:
    """Multi-Paxos as the simulator runs it, but for one rule."""
    return without(MULTIPAXOS, MultiPaxos, rules())


class BallotNotPersisted(Rules):
    """The disk is one round behind."""

    def ballot_to_persist(self, ballot: int) -> int:
        return max(0, ballot - (1 << 8))


class AcceptedBeforeSync(Rules):
    def accepted_after_sync(self) -> bool:
        return False


class CountsItselfBeforeSync(Rules):
    def own_vote_counts(self, *, durable: bool) -> bool:
        return True


class LeadsBeforeItsPromiseIsDurable(Rules):
    def own_promise_counts(self, *, durable: bool) -> bool:
        return True


class PromisesBelowAPromise(Rules):
    def may_promise(self, ballot: int, promised: int) -> bool:
        return True


class VotesBelowAPromise(Rules):
    def may_accept(self, ballot: int, promised: int) -> bool:
        return True


class HidesItsVotes(Rules):
    def reports_votes(self) -> bool:
        return False


class ReportsWhatItDropped(Rules):
    def can_report(self, first: int, base: int) -> bool:
        return True


class ProposesTheFirstReported(Rules):
    def outvotes(self, vote: Entry, known: Entry) -> bool:
        return False


class ProposesItsOwn(Rules):
    def proposes_reported(self) -> bool:
        return False


class CountsVotesOfAnyone(Rules):
    def is_chosen(self, acks: int, voters: int, needed: int) -> bool:
        return acks.bit_count() >= needed


class BelievesEveryCommit(Rules):
    def commit_to_believe(self, commit: int, upto: int) -> int:
        return commit


class GovernedAtOnce(Rules):
    """As if alpha were nothing: by the latest configuration below the slot, chosen or not."""

    def governing(self, configurations: Sequence[Configuration], slot: int, alpha: int) -> Configuration:
        return next((one for one in reversed(configurations) if one.index < slot), configurations[0])


class OpensEverySlot(Rules):
    def may_open(self, slot: int, commit: int, alpha: int) -> bool:
        return True


class LeadsUnprepared(Rules):
    """Its own promise is enough."""

    def prepared(self, counted: int, needed: int) -> bool:
        return True


class TwoChangesAtOnce(Rules):
    def change_is_alone(self, latest: Configuration, governed: int) -> bool:
        return True


class ReadsBeforeTakingOver(Rules):
    def may_read(self, commit: int, first_index: int) -> bool:
        return True


class BreaksLeasePromises(Rules):
    def keeps_promise(self, now: int, promised_until: int) -> bool:
        return False

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        return False


class NoAsking(Rules):
    def asks_before_preparing(self) -> bool:
        return False


class NoAskingNorStickiness(Rules):
    def asks_before_preparing(self) -> bool:
        return False

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        return False
