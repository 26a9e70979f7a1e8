"""The few safety rules of log shipping, each taken out by overriding one method of `Rules`.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from quorate.protocols.core import Configuration, Core, Entry, Message, NodeId, Snapshot
from quorate.protocols.log import Log
from quorate.protocols.logship import Logship, LogshipOptions, Rules, Tenure
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.logship_view import LOGSHIP


def logship_without(rules: type[Rules]) -> Engine:
    """Log shipping as the simulator runs it, but for one rule."""

    class Broken(Logship):
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
        assert isinstance(options, LogshipOptions)
        assert promise is None or isinstance(promise, Tenure)
        return Broken(node, members, options, promise, snapshot, entries)

    return replace(LOGSHIP, factory=factory)


class GenerationNotPersisted(Rules):
    def generation_to_persist(self, generation: int) -> int:
        return 0


class LeadsBeforeItsGenerationIsDurable(Rules):
    def leads(self, *, durable: bool) -> bool:
        return True


class ListensToOlderGenerations(Rules):
    def is_stale(self, heard: int, known: int) -> bool:
        return False


class ShipsBeforeSync(Rules):
    def ships_after_sync(self) -> bool:
        return False


class AcknowledgesBeforeSync(Rules):
    def acks_after_sync(self) -> bool:
        return False


class TakesEntriesAnywhere(Rules):
    def previous_matches(self, log: Log, index: int, term: int) -> bool:
        return log.base <= index <= log.last


class TruncatesWhatMatches(Rules):
    def first_new(self, log: Log, entries: Sequence[Entry]) -> int:
        return 0


class CommitsBeforeSync(Rules):
    def own_match(self, log: Log) -> int:
        return log.last


class CountsOneTooFew(Rules):
    def waits_for(self, matches: Sequence[int], acks: int) -> int:
        return sorted(matches)[-acks + 1] if 1 < acks <= len(matches) else max(matches, default=0)


class ReadsBeforeTakingOver(Rules):
    def may_read(self, commit: int, first_index: int) -> bool:
        return True


class TwoChangesAtOnce(Rules):
    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        return True


class HandsOverTooEarly(Rules):
    def may_hand_over(self, match: int, last: int) -> bool:
        return True

    def may_take_over(self, log: Log, index: int, term: int) -> bool:
        return True


class ForgetsThatItHandedOver(Rules):
    def heir_to_persist(self, heir: NodeId) -> NodeId:
        return ""


class DoesNotStepDown(Rules):
    """Nobody follows a newer generation: who hears of one takes it for its own."""

    def steps_down(self, heard: int, known: int) -> bool:
        return False


class _LogThatTrustsLateSyncs(Log):
    def clip(self, index: int) -> None:
        pass


class LateSyncsVouch(Rules):
    log_type = _LogThatTrustsLateSyncs
