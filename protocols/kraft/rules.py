"""Every safety rule of KRaft, each one method: those of epochs, votes, reads and membership on the page of protocols/terms/rules,
those of fetching here. A test switches one off by overriding it:

    class AcksBeforeSync(Rules):
        def acknowledged(self, log): return log.last
"""

from quorate.protocols.log import Log
from quorate.protocols.terms.rules import TermRules


class Rules(TermRules):
    """KIP numbers: Kafka's improvement proposals."""

    def acknowledged(self, log: Log) -> int:
        """A fetch acknowledges what is durable (KIP-595: the offset fetched from); what it asks for may be further on."""
        return log.durable

    def counts_offset(self, *, meets: bool) -> bool:
        """An offset acknowledges only what is known to be the leader's own log (KIP-595, validation of offset and epoch)."""
        return meets

    def meets(self, log: Log, offset: int, epoch: int) -> bool:
        """Log matching: records are sent, and taken in, only after a place that both logs hold (KIP-595, diverging epoch)."""
        return log.term_at(offset) == epoch

    def continues(self, log: Log, offset: int) -> bool:
        """Records are taken in only where the log ends; an answer that comes late or twice repeats what it holds."""
        return offset == log.last

    def concerns(self, log: Log, offset: int, epoch: int) -> bool:
        """An answer that the logs differ is about the log as it was when it was asked: an older one is not acted upon."""
        return (offset, epoch) == (log.last, log.last_term)

    def truncation_point(self, log: Log, diverging_epoch: int, end_offset: int) -> int:
        """Truncate to the last place that both logs may hold, never what matches: to the end of the diverging epoch there, or
        here, whichever is lower (KIP-595, truncation; terms never fall, so nothing that matches lies above)."""
        return min(end_offset, log.last_at_most(diverging_epoch, end_offset))
