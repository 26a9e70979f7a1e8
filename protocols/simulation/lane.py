"""One direction of a link, with the memory that some rules need: a stream's order, the queue before the line, which types have passed.

The rule it keeps: the fate of a frame is a function of the key, the rules, and the frames (time, type, term, size) put on this lane
so far. It knows of no clock and no socket: the simulator and the live proxy tell it the time and carry out what it says.
"""

from dataclasses import dataclass

from quorate.protocols.simulation.policy import PPM, Rule, corrupts, decide, mix, spread

NS_PER_S = 1_000_000_000

# What may wait before a slow line; a router's buffer is of that order.
QUEUE_BYTES_MAX = 1 << 20

# Linux: the least retransmission timeout, doubled at each loss.
RETRANSMISSION_NS_MIN = 200_000_000
RETRANSMISSIONS_MAX = 6


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one frame."""

    delays_ns: tuple[int, ...] = ()
    """Of its copies that arrive."""
    corrupt: bool = False
    """It arrives damaged: the connection ends there."""
    held: bool = False
    """A cut stream keeps it until the cut is healed."""
    streamed: bool = False
    """It arrives behind all frames of the stream before it."""


LOST = Fate()
HELD = Fate(held=True)


class Lane:
    """Give it every frame in the order of sending; `rule` may be changed at any time."""

    __slots__ = ("_due_ns", "_free_ns", "_passed", "_rule", "frames", "key")

    def __init__(self, key: int, rule: Rule) -> None:
        self.key = key
        self.frames = 0
        self._rule = rule
        self._due_ns = 0
        """When the last frame of the stream arrives."""
        self._free_ns = 0
        """When the line has sent all that waits before it."""
        self._passed: dict[str, tuple[int, int]] = {}
        """By type: (term, how many in it), since the rule was set."""

    @property
    def rule(self) -> Rule:
        return self._rule

    @rule.setter
    def rule(self, rule: Rule) -> None:
        self._rule = rule
        self._passed = {}
        self._free_ns = 0

    def put(self, now_ns: int, kind: str, term: int, size: int) -> Fate:
        """The fate of the next frame."""
        rule = self._rule
        if (rule.only or rule.first) and not self._applies(rule, kind, term):
            rule = rule.other or _OPEN
        frame = self.frames
        self.frames = frame + 1
        if rule.plain:
            return Fate(decide(self.key, frame, rule))
        if rule.cut:
            return HELD if rule.stream else LOST
        wait_ns = 0
        if rule.bytes_per_s:
            begins_ns = max(now_ns, self._free_ns)
            if (begins_ns - now_ns) * rule.bytes_per_s > QUEUE_BYTES_MAX * NS_PER_S:
                return LOST
            self._free_ns = begins_ns + size * NS_PER_S // rule.bytes_per_s
            wait_ns = self._free_ns - now_ns
        delays = (self._streamed(frame, rule, now_ns, wait_ns),) if rule.stream else decide(self.key, frame, rule)
        if not rule.stream and wait_ns:
            delays = tuple(delay + wait_ns for delay in delays)
        return Fate(delays, corrupts(self.key, frame, rule), streamed=rule.stream)

    def rewind(self, due_ns: int) -> None:
        """The last frame of the stream now arrives at this time: those after it are released anew."""
        self._due_ns = due_ns

    def release(self, now_ns: int) -> int:
        """The delay of the next frame of a stream that was held and is now healed: the burst after the stall."""
        self._due_ns = max(self._due_ns + 1, now_ns + self._rule.delay_ns)
        return self._due_ns - now_ns

    def _streamed(self, frame: int, rule: Rule, now_ns: int, wait_ns: int) -> int:
        bits = mix(self.key, frame)
        delay = rule.delay_ns + wait_ns
        if rule.jitter_ns:
            delay = max(0, delay + spread(rule.jitter, rule.jitter_ns, mix(bits, 1)))
        timeout = max(RETRANSMISSION_NS_MIN, 2 * rule.delay_ns)
        for attempt in range(RETRANSMISSIONS_MAX):
            if mix(bits, 2 + attempt) % PPM >= rule.drop_ppm:
                break
            delay += timeout << attempt
        self._due_ns = max(self._due_ns + 1, now_ns + delay)
        return self._due_ns - now_ns

    def _applies(self, rule: Rule, kind: str, term: int) -> bool:
        if rule.only and kind not in rule.only:
            return False
        if not rule.first:
            return True
        latest, count = self._passed.get(kind, (term, 0))
        if term > latest:
            latest, count = term, 0
        self._passed[kind] = (latest, count + 1)
        return count < rule.first


_OPEN = Rule()
