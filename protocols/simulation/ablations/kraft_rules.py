"""The safety rules of KRaft, each taken out by overriding one method of `Rules`. What it shares with Raft is broken as Raft's table
breaks it.

FOR TESTS ONLY, as everything in this package: a node's configuration reaches none of it.
"""

from quorate.protocols.kraft import KRaft, Rules
from quorate.protocols.log import Log
from quorate.protocols.simulation.ablations.broken import without
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.kraft_view import KRAFT
from quorate.protocols.terms.rules import TermRules


def kraft_without(rules: type[Rules]) -> Engine:
    """KRaft as the simulator runs it, but for one rule."""
    return without(KRAFT, KRaft, rules())


def as_in_raft(broken: type[TermRules]) -> type[Rules]:
    """The same methods overridden, in KRaft. They must be of the rules that both share."""
    overridden = {name: value for name, value in vars(broken).items() if not name.startswith("_")}
    assert overridden.keys() <= vars(TermRules).keys(), broken
    return type(broken.__name__, (Rules,), overridden)


class AcknowledgesBeforeSync(Rules):
    def acknowledged(self, log: Log) -> int:
        return log.last


class CountsDivergingOffsets(Rules):
    def counts_offset(self, *, meets: bool) -> bool:
        return True


class FetchesAnywhere(Rules):
    def meets(self, log: Log, offset: int, epoch: int) -> bool:
        return log.base <= offset <= log.last


class TakesLateRecords(Rules):
    def continues(self, log: Log, offset: int) -> bool:
        return True


class ActsOnLateDivergence(Rules):
    def concerns(self, log: Log, offset: int, epoch: int) -> bool:
        return True


class TruncatesToTheEndThere(Rules):
    def truncation_point(self, log: Log, diverging_epoch: int, end_offset: int) -> int:
        return end_offset


class TruncatesToTheEpochThere(Rules):
    """To where the diverging epoch begins here: less would do."""

    def truncation_point(self, log: Log, diverging_epoch: int, end_offset: int) -> int:
        return log.last_at_most(diverging_epoch - 1, end_offset)
