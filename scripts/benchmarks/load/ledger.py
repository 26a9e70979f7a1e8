"""Which values a key may hold, given every write to it: what is read back at the end must be one of them.

The rule: a write can be the last one unless an acknowledged write began after it had ended (linearizability of a register).
A write without a definite outcome may still take effect at any later time, so it stays possible for ever.
"""

from collections.abc import Iterable
from math import inf
from typing import NamedTuple

REFUSED = -inf
"""The end of a write that definitely did not happen."""
UNCERTAIN = inf
"""The end of a write that may have happened, or may still happen."""


class Write(NamedTuple):
    """One write: key number, value, and when it began and ended."""

    key: int
    value: bytes
    begun: float
    ended: float


class Ledger:
    """Possible values of each key."""

    def __init__(self) -> None:
        self._possible: dict[int, set[bytes]] = {}
        self._uncertain: dict[int, set[bytes]] = {}
        self.acknowledged_count = 0

    @property
    def keys(self) -> list[int]:
        return sorted(self._possible)

    @property
    def uncertain_count(self) -> int:
        return sum(map(len, self._uncertain.values()))

    def settle(self, writes: Iterable[Write]) -> None:
        """Take in writes none of which is still running, all begun after those settled before had ended."""
        writes = list(writes)
        latest: dict[int, float] = {}
        for write in writes:
            if REFUSED < write.ended < UNCERTAIN:
                self.acknowledged_count += 1
                latest[write.key] = max(write.begun, latest.get(write.key, REFUSED))
        for number in latest:
            self._possible[number] = set(self._uncertain.get(number, ()))
        for write in writes:
            if write.ended == UNCERTAIN:
                self._uncertain.setdefault(write.key, set()).add(write.value)
                self._possible.setdefault(write.key, set()).add(write.value)
            elif write.ended > REFUSED and write.ended >= latest[write.key]:
                self._possible[write.key].add(write.value)

    def explains(self, number: int, value: bytes | None) -> bool:
        """Whether the key may hold this value now."""
        return value in self._possible[number]
