"""Safeguards, each taken out by overriding one method, for test_ablations; and the hunt for seeds that miss them.

`python -m tests.protocols.ablations [seeds [name ...]]` tries seeds of the ordinary random workload until one breaks an invariant and
prints the row for the table in test_ablations. Do that after changing the simulator: the seeds mean other worlds then.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from quorate.protocols.core import Configuration, Core, Effects, Entry, Message, NodeId, Snapshot
from quorate.protocols.log import Log
from quorate.protocols.raft import HardState, Raft, RaftOptions, Rules
from quorate.protocols.simulation import Campaign, Engine, Result
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.workload import Operation

# A broken safeguard that two thousand ordinary seeds do not miss counts as not found.
SEEDS_MAX = 2_000


# --- the rules of the one interface, kept by the driver, the disk and the log in memory ---


class SendsTooEarly(Node):
    """Sync: what should leave after the sync leaves at once."""

    def carry_out(self, effects: Effects) -> None:
        effects.sends = [*effects.sends, *effects.sends_after_sync]
        effects.sends_after_sync = []
        super().carry_out(effects)


class LetsEmptyBatchesOvertake(Node):
    """Sync: what an empty batch sends after the sync does not wait for the batches before it."""

    def _must_wait(self) -> bool:
        return False


class TearsBatches(SimulatedDisk):
    """Atomic batches: the sectors of one write reach the disk in any order; a crash may leave a batch without its beginning."""

    def crash(self) -> None:
        queue, before = list(self._queue), self.durable.last
        super().crash()
        torn = next((batch for batch in queue if batch.entries and batch.entries[-1].index > self.durable.last), None)
        if torn is not None and self.durable.last == before:
            torn.promise, torn.truncate, torn.snapshot, torn.entries = None, None, None, torn.entries[len(torn.entries) // 2 :]
            self.durable.add(torn)


class ForgetsToClip(Log):
    """ABA: the sync of a batch that was overwritten meanwhile vouches for what stands there now."""

    def clip(self, index: int) -> None: ...


class ResolvesByPosition(Node):
    """Outcomes: whoever waits longest is told when anything commits that was proposed here or elsewhere."""

    def _asked(self, entry: Entry) -> Operation | None:
        token = next((token for token, operation in self._open.items() if operation.kind == "write"), None)
        return None if token is None else self._open.pop(token)


class ForgetsItsIncarnation(Node):
    """Outcomes: origins are used again after a restart."""

    def _next_incarnation(self) -> int:
        return 1


class FeedsBeforeTicking(Node):
    """Ticks: a turn's reads come before the clock is looked at."""

    def turn(self) -> None:
        assert self.core is not None
        self._drain(self.core)
        self._feed_all(self.core)
        self.flush()
        if self.core is not None:
            self._tick(self.core)
            self.flush()


class CountsOneTickATurn(Node):
    """Ticks: of the ticks that elapsed during a stall only one is told."""

    def _tick(self, core: Core) -> None:
        now = self.clock.ticks(self.host.schedule.now)
        if now != self._ticks:
            self._ticks = now
            core.tick(1)


class AnswersBeforeApplying(Node):
    """Reads: answered from whatever is applied, not from the index that was confirmed."""

    def _answer(self) -> None:
        self._reads = [(0, operation) for _, operation in self._reads]
        super()._answer()


class FreezesAhead(Node):
    """A snapshot is taken of what is applied though it is not durable here."""

    def may_freeze(self, core: Core, index: int) -> bool:
        return True


# --- the rules of Raft ---


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
        return sum(votes.values())


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


ABLATIONS: tuple[type, ...] = (
    SendsTooEarly,
    LetsEmptyBatchesOvertake,
    TearsBatches,
    NoClip,
    ResolvesByPosition,
    ForgetsItsIncarnation,
    FeedsBeforeTicking,
    CountsOneTickATurn,
    AnswersBeforeApplying,
    FreezesAhead,
    VoteNotPersisted,
    TermNotPersisted,
    AcksBeforeSync,
    CountsItselfBeforeSync,
    LeadsBeforeItsVoteIsDurable,
    StaleTermsAccepted,
    VotesTwice,
    VotesForShortLogs,
    CountsDuplicateVotes,
    CountsVotesOfAnyone,
    NoPreVote,
    NoPreVoteNorStickiness,
    BreaksLeasePromises,
    ForgetsPromisesAtStart,
    NoCheckQuorum,
    GovernedByTheCommitted,
    TakesAppendsAnywhere,
    TruncatesMatchingSuffixes,
    CommitsOldTermsByCounting,
    NoNoop,
    ReadsBeforeItsTermCommits,
    ReadsByARoundUnderWay,
    LeaseForEver,
    LeaseFromTheAnswer,
    KeepsLeaseDuringHandOver,
    TwoChangesAtOnce,
    ChangesBeforeOwnTerm,
    InstallsOldSnapshots,
)


def raft_without(rules: type[Rules]) -> Engine:
    """Raft as the simulator runs it, but for one rule."""

    class Broken(Raft):
        pass

    Broken.rules = rules()

    def factory(
        node: NodeId,
        members: Configuration,
        options: object,
        rng: Random,
        incarnation: int,
        promise: Message | None,
        snapshot: Snapshot | None,
        entries: list[Entry],
    ) -> Core:
        assert isinstance(options, RaftOptions)
        assert promise is None or isinstance(promise, HardState)
        return Broken(node, members, options, rng, incarnation, promise, snapshot, entries)

    return replace(RAFT, factory=factory)


@dataclass(frozen=True, slots=True)
class Broken:
    """A world without one safeguard."""

    engine: Engine
    node_class: type[Node] = Node
    disk_class: type[SimulatedDisk] = SimulatedDisk

    @staticmethod
    def of(ablation: type) -> "Broken":
        if issubclass(ablation, Rules):
            return Broken(raft_without(ablation))
        if issubclass(ablation, Node):
            return Broken(RAFT, node_class=ablation)
        assert issubclass(ablation, SimulatedDisk), ablation
        return Broken(RAFT, disk_class=ablation)

    def run(self, seed: int, steps: int, *, liveness: bool) -> Result:
        return Campaign(self.engine, seed, node_class=self.node_class, disk_class=self.disk_class).run(steps, liveness=liveness)


STEPS = 6_000

LIVENESS = (NoCheckQuorum, NoNoop, NoPreVoteNorStickiness, NoPreVote)
"""Safeguards that keep the cluster going, not the data right: only a bound in ticks misses them."""


def hunt(ablation: type, seeds: range) -> Result | None:
    """The first of the seeds whose world breaks without the safeguard."""
    broken = Broken.of(ablation)
    return next(
        (result for result in (broken.run(seed, STEPS, liveness=ablation in LIVENESS) for seed in seeds) if result.violation is not None),
        None,
    )


def main() -> None:
    seeds_max = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS_MAX
    wanted = sys.argv[2:]
    for ablation in ABLATIONS:
        if wanted and ablation.__name__ not in wanted:
            continue
        result = hunt(ablation, range(seeds_max))
        if result is None or result.violation is None:
            print(f"{ablation.__name__}: none of {seeds_max} seeds missed it", flush=True)
        else:
            print(f"{ablation.__name__}, {result.seed}, {result.events} events: {result.violation}"[:300], flush=True)


if __name__ == "__main__":
    main()
