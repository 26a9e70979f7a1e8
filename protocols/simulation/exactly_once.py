"""Client sessions as the committed log has them: what took effect, what was answered, which sessions ended.

The rule it keeps: each (session, sequence) takes effect once, every answer to it is the same on every node and for every copy, and
a session ends only by an entry. Ongaro's thesis, section 6.3.
"""

from quorate.protocols.core import Entry
from quorate.protocols.sessions import CLOSE, EXPIRE, IN_SESSION, TOUCH, Status
from quorate.protocols.simulation.envelopes import Envelope, read
from quorate.protocols.simulation.ledger import Violation

SAME_RESULT = "an entry has the same result on every node"
EFFECT_ONCE = "each (session, sequence) takes effect once"
SAME_ANSWER = "every answer to one (session, sequence) is the same"
ENDS_BY_ENTRY = "a session ends only by an entry of the log"


class ExactlyOnce:
    """Results by index, and what they mean for the sessions."""

    def __init__(self) -> None:
        self._results: dict[int, bytes] = {}
        self._effects: dict[tuple[int, int], int] = {}
        self._answers: dict[tuple[int, int], bytes] = {}
        self._last: dict[int, int] = {}
        """Each open session's last entry."""
        self.counts: dict[str, int] = {}
        """How often the sessions had something to do."""

    def applied(self, who: object, entry: Entry, result: bytes, took_effect: bool) -> None:
        """A node applied this entry. Entries come in the order of the log, each perhaps from many nodes."""
        index = entry.index
        known = self._results.get(index)
        if known is None:
            self._results[index] = result
            envelope = read(entry.data)
            if envelope is not None:
                self._judge(who, index, envelope, result, took_effect)
        elif known != result:
            raise Violation(SAME_RESULT, f"{who} has {result!r} for {index}, another node has {known!r}")

    def _judge(self, who: object, index: int, envelope: Envelope, result: bytes, took_effect: bool) -> None:
        session, status = envelope.session, result[0]
        if status == Status.OPENED:
            self._last[int.from_bytes(result[1:9], "little")] = index
        if status == Status.EXPIRED and session in self._last:
            raise Violation(ENDS_BY_ENTRY, f"{who} calls session {session} ended at {index}; no entry has ended it")
        match envelope.kind:
            case _ if session not in self._last:
                if envelope.kind == IN_SESSION:
                    self._count("a command after its session's end")
                if took_effect and envelope.kind == IN_SESSION:
                    raise Violation(ENDS_BY_ENTRY, f"{who} applies a command of session {session} at {index}, after its end")
            case k if k == IN_SESSION:
                self._last[session] = index
                self._command(who, index, envelope, result, took_effect)
            case k if k == TOUCH:
                self._last[session] = index
            case k if k == CLOSE or (k == EXPIRE and self._last[session] == envelope.last_index):
                self._count("a session's end")
                del self._last[session]

    def _command(self, who: object, index: int, envelope: Envelope, result: bytes, took_effect: bool) -> None:
        name = (envelope.session, envelope.sequence)
        if took_effect and self._effects.setdefault(name, index) != index:
            raise Violation(EFFECT_ONCE, f"{who} lets {name} take effect at {index}, as it did at {self._effects[name]}")
        if result[0] == Status.STALE:
            self._count("a copy below its session's mark")
        elif result[0] == Status.DONE:
            if not took_effect:
                self._count("a copy answered again")
            known = self._answers.setdefault(name, result)
            if known != result:
                raise Violation(SAME_ANSWER, f"{who} answers {result!r} to {name} at {index}; it was {known!r} before")

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
