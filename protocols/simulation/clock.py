"""A node's clock: virtual time seen through an oscillator that runs a little fast or slow.

The rule it keeps: but for jumps, ticks never run backwards, and the rate stays within the bound that leases are allowed to assume.
"""

from quorate.protocols.simulation.policy import PPM

# Real oscillators keep 200 ppm; ten times that is the bound that this world puts on healthy clocks.
DRIFT_MAX_PPM = 2_000


class NodeClock:
    """Counts ticks. Whoever counts what elapsed must take a jump back for no time at all."""

    __slots__ = ("_local_ns", "_rate_ppm", "_since_ns", "tick_ns")

    def __init__(self, tick_ns: int, offset_ns: int = 0, rate_ppm: int = 0) -> None:
        self.tick_ns = tick_ns
        self._local_ns = offset_ns
        self._since_ns = 0
        self._rate_ppm = rate_ppm

    def local_ns(self, now_ns: int) -> int:
        return self._local_ns + (now_ns - self._since_ns) * (PPM + self._rate_ppm) // PPM

    def ticks(self, now_ns: int) -> int:
        return self.local_ns(now_ns) // self.tick_ns

    def until_next_ns(self, now_ns: int) -> int:
        """Virtual time until the next tick begins; at least 1."""
        left = self.tick_ns - self.local_ns(now_ns) % self.tick_ns
        return left * PPM // (PPM + self._rate_ppm) + 1

    def drift(self, now_ns: int, rate_ppm: int) -> None:
        """From now on run at another rate."""
        self._local_ns = self.local_ns(now_ns)
        self._since_ns = now_ns
        self._rate_ppm = rate_ppm

    def jump(self, by_ns: int) -> None:
        """Beyond every bound: no lease can be relied on in a world where clocks jump."""
        self._local_ns += by_ns
