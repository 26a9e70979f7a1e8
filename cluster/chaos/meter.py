"""What clients saw of the service, operation by operation: when each was called, when it returned, and how it ended.

The rule: an operation is counted when it returns, and never looked into; what it did is in the history.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from quorate.cluster.chaos.record import BUCKET_MS, Bucket
from quorate.cluster.verify.history import Outcome

OUTCOMES = (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN)
US_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """One operation. Times in ms since the run's start."""

    called_ms: float
    returned_ms: float
    outcome: Outcome
    is_write: bool


class Meter:
    """Sixteen bytes and two flags an operation: hours fit into memory."""

    def __init__(self) -> None:
        self._called_us = array("q")
        self._took_us = array("q")
        self._outcomes = bytearray()
        self._writes = bytearray()
        self.acknowledged = 0

    def __len__(self) -> int:
        return len(self._called_us)

    def add(self, called_ns: int, returned_ns: int, outcome: Outcome, *, is_write: bool) -> None:
        """To be called when it returns."""
        self._called_us.append(called_ns // 1_000)
        self._took_us.append((returned_ns - called_ns) // 1_000)
        self._outcomes.append(OUTCOMES.index(outcome))
        self._writes.append(is_write)
        self.acknowledged += outcome is Outcome.OK

    def count(self, outcome: Outcome) -> int:
        return self._outcomes.count(OUTCOMES.index(outcome))

    def __iter__(self) -> Iterator[Seen]:
        """In the order of their returns."""
        for called, took, outcome, write in zip(self._called_us, self._took_us, self._outcomes, self._writes, strict=True):
            yield Seen(called / US_PER_MS, (called + took) / US_PER_MS, OUTCOMES[outcome], bool(write))

    def acknowledged_within(self, stretches: list[tuple[float, float]]) -> int:
        """Operations acknowledged in any of these stretches of ms, which do not overlap."""
        times = [seen.returned_ms for seen in self if seen.outcome is Outcome.OK]
        return sum(bisect_left(times, end) - bisect_left(times, start) for start, end in stretches)

    def buckets(self) -> tuple[Bucket, ...]:
        """Those in which any operation returned."""
        found: dict[int, list[Seen]] = {}
        for seen in self:
            found.setdefault(int(seen.returned_ms // BUCKET_MS), []).append(seen)
        return tuple(_bucket(at, found[at]) for at in sorted(found))


def _bucket(at: int, seen: list[Seen]) -> Bucket:
    took = sorted(each.returned_ms - each.called_ms for each in seen if each.outcome is Outcome.OK)
    answered, failed, unknown = (sum(each.outcome is outcome for each in seen) for outcome in OUTCOMES)
    if not took:
        return Bucket(at * BUCKET_MS, answered, failed, unknown)
    middle, tail = (round(took[len(took) * percent // 100], 3) for percent in (50, 99))
    return Bucket(at * BUCKET_MS, answered, failed, unknown, middle, tail, round(took[-1], 3))
