"""The client's end of a session: a sequence per write and the mark below which all are answered.

The rule: a sequence names one write for good. It counts as answered once its caller has an outcome, whatever that is: after
`Uncertain`, or a cancelled call, the mark may pass it. The write may then still take effect, but only until a write whose mark
has passed it is applied: a copy that comes after is refused as stale. The mark waits for every earlier write that is still in
flight; until then an uncertain write may take effect even after a later one was acknowledged.
"""

import secrets

from quorate.protocols.sessions import NONCE_BYTES, RESULTS_MAX, in_session, plain

WINDOW = RESULTS_MAX - 256
"""Sequences between the mark and the newest: the nodes keep a result for each."""


class Session:
    """One open session. `begin` a write, make its `envelope` for each attempt, `end` it once."""

    is_exactly_once = True

    def __init__(self, id: int, ttl_ms: int) -> None:
        self.id = id
        self.ttl_ms = ttl_ms
        self.low_water = 0
        self.sequence = 0
        self._answered: set[int] = set()
        """Answered above the mark."""

    def __repr__(self) -> str:
        return f"<Session {self.id} sequence={self.sequence} low_water={self.low_water}>"

    @property
    def is_full(self) -> bool:
        return self.sequence - self.low_water >= WINDOW

    @property
    def in_flight(self) -> int:
        return self.sequence - self.low_water - len(self._answered)

    def begin(self) -> int:
        self.sequence += 1
        return self.sequence

    def envelope(self, sequence: int, command: bytes) -> bytes:
        return in_session(self.id, sequence, self.low_water, command)

    def end(self, sequence: int) -> None:
        """This write has its outcome. The mark rises over all that are answered without a gap."""
        answered = self._answered
        if sequence != self.low_water + 1:
            answered.add(sequence)
            return
        while sequence + 1 in answered:
            sequence += 1
            answered.remove(sequence)
        self.low_water = sequence


class NoSession:
    """Writes outside any session: an uncertain one cannot be repeated."""

    is_exactly_once = False
    is_full = False
    in_flight = 0

    def begin(self) -> int:
        return 0

    def envelope(self, sequence: int, command: bytes) -> bytes:
        return plain(command)

    def end(self, sequence: int) -> None:
        pass


def nonce() -> bytes:
    """Names an attempt to open a session, over all its repetitions. From the system: forked processes must not agree."""
    return secrets.token_bytes(NONCE_BYTES)
