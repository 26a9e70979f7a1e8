"""The safety rules of ZAB, each taken out by overriding one method of `Rules`.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from collections.abc import Collection, Sequence

from quorate.protocols.core import Configuration, Message, NodeId
from quorate.protocols.fifo import Channel
from quorate.protocols.log import Log
from quorate.protocols.simulation.ablations.broken import without
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.zab_view import ZAB
from quorate.protocols.zab import Rules, Zab


def zab_without(rules: type[Rules]) -> Engine:
    """ZAB as the simulator runs it, but for one rule."""
    return without(ZAB, Zab, rules())


class AcceptedNotPersisted(Rules):
    """An epoch is written down when it becomes current, not when it is accepted."""

    def accepted_to_persist(self, accepted: int, current: int) -> int:
        return current


class CurrentNotPersisted(Rules):
    def current_to_persist(self, current: int) -> int:
        return 0


class AcksNewLeaderBeforeSync(Rules):
    def acks_new_leader_after_sync(self) -> bool:
        return False


class AcksProposalsBeforeSync(Rules):
    def acks_proposals_after_sync(self) -> bool:
        return False


class TellsEpochBeforeSync(Rules):
    """Sends: LEADERINFO leaves under an epoch that this node made and may yet forget."""

    def tells_epoch_after_sync(self) -> bool:
        return False


class CountsItselfBeforeSync(Rules):
    def own_match(self, log: Log) -> int:
        return log.last


class NeglectsHistory(Rules):
    """Whoever has the highest number leads, whatever it holds: in the election, and in discovery's check."""

    def history_order(self, epoch: int, last_term: int, last_index: int) -> tuple[int, int, int]:
        return 0, 0, 0


class CountsEpochTwice(Rules):
    def ack_counts(self, epoch: int, accepted: int, *, same_leader: bool) -> bool:
        return True


class CountsAnyone(Rules):
    """Learners count towards a quorum."""

    def quorum_of(self, nodes: Collection[NodeId], configuration: Configuration) -> bool:
        return 2 * len(set(nodes)) > len(configuration.voters)


class NeverTruncates(Rules):
    def truncates(self) -> bool:
        return False


class CurrentAtDiscovery(Rules):
    def current_at_discovery(self) -> bool:
        return True


class ServesBeforeTheQuorum(Rules):
    def may_establish(self, acked: Collection[NodeId], configuration: Configuration) -> bool:
        return True


class LeadsWithoutQuorum(Rules):
    def leaves_without_quorum(self, ticks_since_quorum: int, election_ticks: int) -> bool:
        return False


class Overtaking(Channel):
    """Frames are handed out as they come, repeated ones too."""

    __slots__ = ()

    def accept(self, sequence: int, message: Message) -> list[Message]:
        self.received = max(self.received, sequence)
        return [message]


class NoFifo(Rules):
    channel_type = Overtaking


class LeaseForEver(Rules):
    def lease_holds(self, now: int, lease_from: int, lease_ticks: int) -> bool:
        return True


class LeaseFromTheAnswer(Rules):
    def lease_start(self, sent_at: int, now: int) -> int:
        return now


class BreaksLeasePromises(Rules):
    def keeps_promise(self, now: int, promised_until: int) -> bool:
        return False


class TwoChangesAtOnce(Rules):
    def change_is_alone(self, latest: Configuration, commit: int) -> bool:
        return True


class GovernedByTheCommitted(Rules):
    def governing(self, configurations: Sequence[Configuration], commit: int) -> Configuration:
        return next(one for one in reversed(configurations) if one.index <= commit)
