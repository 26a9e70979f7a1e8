"""Virtual time: a heap of (time in integer ns, seeded tie, sequence, act).

The rule it keeps: what happens next is a function of the seed alone. Events of one instant run in a seeded order, because a
real network gives no other promise, and never in the order in which a dictionary or a set happened to hold them.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from random import Random

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000

# Enough that ties are rarely equal (then the sequence decides), few enough to stay a small int.
TIE_BITS = 20

Act = Callable[..., None]


class Schedule:
    """The one clock of a simulated world and everything that is still to happen."""

    __slots__ = ("_heap", "_sequence", "_tie", "now")

    def __init__(self, rng: Random) -> None:
        self.now = 0
        self._heap: list[tuple[int, int, int, Act, tuple[object, ...]]] = []
        self._sequence = 0
        self._tie = rng.getrandbits

    def after(self, delay_ns: int, act: Act, *args: object) -> None:
        """Do `act(*args)` that many ns from now."""
        assert delay_ns >= 0, delay_ns
        self._sequence += 1
        heappush(self._heap, (self.now + delay_ns, self._tie(TIE_BITS), self._sequence, act, args))

    def step(self) -> bool:
        """Let the next event happen; False if nothing is left to happen."""
        if not self._heap:
            return False
        self.now, _, _, act, args = heappop(self._heap)
        act(*args)
        return True

    def run_until(self, now_ns: int) -> None:
        """Let everything happen that is due by then, and what follows from it by then. For fixed schedules."""
        while self._heap and self._heap[0][0] <= now_ns:
            self.step()
        self.now = now_ns
