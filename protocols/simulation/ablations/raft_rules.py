"""The safety rules of Raft, each taken out by overriding one method of `Rules`.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Mapping, Sequence

from quorate.protocols.core import Configuration, Entry, NodeId
from quorate.protocols.log import Log
from quorate.protocols.raft import Raft, Rules
from quorate.protocols.simulation.ablations.broken import without
from quorate.protocols.simulation.ablations.driver import ForgetsToClip
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.raft_view import RAFT


def raft_without(rules: type[Rules]) -> Engine:
    """Raft as the simulator runs it, but for one rule."""
    return without(RAFT, Raft, rules())


class VoteNotPersisted(Rules):
    def vote_to_persist(self, vote: NodeId) -> NodeId:
        return ""


class TermNotPersisted(Rules):
    def term_to_persist(self, term: int) -> int:
        return term - 1


class AcksBeforeSync(Rules):
    def acks_after_sync(self) -> bool:
        return False


class CountsItselfBeforeSync(Rules):
    def own_match(self, log: Log) -> int:
        return log.last


class LeadsBeforeItsVoteIsDurable(Rules):
    """Sends: appends leave under a term that this node created and may yet forget."""

    def own_vote_counts(self, *, durable: bool) -> bool:
        return True


class StaleTermsAccepted(Rules):
    def is_stale(self, message_term: int, term: int) -> bool:
        return False


class VotesTwice(Rules):
    def may_grant(self, vote: NodeId, candidate: NodeId) -> bool:
        return True


class VotesForShortLogs(Rules):
    def is_up_to_date(self, theirs: tuple[int, int], ours: tuple[int, int]) -> bool:
        return True


class CountsDuplicateVotes(Rules):
    def count_votes(self, votes: Mapping[NodeId, int], configuration: Configuration) -> int:
        return sum(count for voter, count in votes.items() if voter in configuration.voters)


class CountsVotesOfAnyone(Rules):
    def count_votes(self, votes: Mapping[NodeId, int], configuration: Configuration) -> int:
        return len(votes)


class NoPreVote(Rules):
    def asks_before_campaigning(self) -> bool:
        return False


class NoPreVoteNorStickiness(Rules):
    def asks_before_campaigning(self) -> bool:
        return False

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        return False


class BreaksLeasePromises(Rules):
    def keeps_promise(self, now: int, promised_until: int) -> bool:
        return False

    def sticks_to_leader(self, ticks_since_heard: int, election_ticks: int) -> bool:
        return False


class ForgetsPromisesAtStart(Rules):
    def promised_at_start(self, restarted: bool, promise_ticks: int) -> int:
        return 0


class NoCheckQuorum(Rules):
    def leaves_without_quorum(self, ticks_since_quorum: int, election_ticks: int) -> bool:
        return False


class GovernedByTheCommitted(Rules):
    def governing(self, configurations: Sequence[Configuration], commit: int) -> Configuration:
        return next(one for one in reversed(configurations) if one.index <= commit)


class TakesAppendsAnywhere(Rules):
    def previous_matches(self, log: Log, index: int, term: int) -> bool:
        return index <= log.last


class TruncatesMatchingSuffixes(Rules):
    def first_new(self, log: Log, entries: Sequence[Entry]) -> int:
        return 0


class CommitsOldTermsByCounting(Rules):
    def commits_by_counting(self, entry_term: int, term: int) -> bool:
        return True


class NoNoop(Rules):
    def opens_term_with_noop(self) -> bool:
        return False


class ReadsBeforeItsTermCommits(Rules):
    def may_read(self, commit: int, first_index: int) -> bool:
        return True


class ReadsByARoundUnderWay(Rules):
    def read_round(self, last_round: int) -> int:
        return last_round


class LeaseForEver(Rules):
    def lease_holds(self, now: int, lease_from: int, lease_ticks: int) -> bool:
        return True


class LeaseFromTheAnswer(Rules):
    def lease_start(self, sent_at: int, now: int) -> int:
        return now


class KeepsLeaseDuringHandOver(Rules):
    def drops_lease_before_hand_over(self) -> bool:
        return False


class TwoChangesAtOnce(Rules):
    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        return True


class ChangesBeforeOwnTerm(Rules):
    def own_term_committed(self, commit: int, first_index: int) -> bool:
        return True


class InstallsOldSnapshots(Rules):
    def may_install(self, snapshot_index: int, commit: int) -> bool:
        return True


class NoClip(Rules):
    log_type = ForgetsToClip


class AsksBeforeSync(Rules):
    def asks_after_sync(self) -> bool:
        return False
