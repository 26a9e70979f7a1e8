"""A chaos scenario: what stands, what asks it, what is done to it and when, and what must come of it.

The rule: a scenario says everything but the engine, the seed and the duration, which each run may choose; it is checked whole before
anything starts.
"""

from dataclasses import dataclass, field

from quorate.cluster.chaos.vocabulary import Fault
from quorate.cluster.local.directory import Settings

NODES_DEFAULT = 3
DURATION_S_DEFAULT = 20.0
FOR_S_DEFAULT = 3.0
BETWEEN_S_DEFAULT = (1.0, 4.0)
STABLE_S_DEFAULT = 1.0
TOGETHER_DEFAULT = 2
RECOVERY_TIMEOUTS = 10.0
"""Election timeouts: a split vote or two, a client's search for the leader, and a busy machine. See docs/chaos.md for what was measured."""
CONVERGE_S = 30.0
"""For a node that was down for the whole run to start, fetch a snapshot and catch up."""


@dataclass(frozen=True, slots=True)
class Load:
    """Closed loops: a client asks again only after it was answered, and not faster than its share of `rate`."""

    clients: int = 24
    rate: int = 900
    """Operations a second, of all clients together."""
    keys: int = 8
    """That all clients write; besides, each has one that it alone writes, a counter."""
    hot: float = 0.3
    """This share of the operations is about one single key."""
    reads: float = 0.5
    swaps: float = 0.15
    lease_reads: float = 0.1
    """Of the reads; the others are linearizable on a node of the client's own."""
    value_bytes: int = 16
    timeout_s: float = 2.0
    exactly_once: bool = True
    """False: clients without sessions, which repeat an uncertain write as a new command. For controls that must fail."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the schedule. Of `at_s`, `after_s` and `every_s` exactly one is given."""

    fault: Fault
    text: str
    for_s: float = FOR_S_DEFAULT
    at_s: float | None = None
    """Since the faults' beginning."""
    after_s: float | None = None
    """Since the end of the step above it."""
    every_s: float | None = None
    """Again and again, from that moment on."""


@dataclass(frozen=True, slots=True)
class Random:
    """Faults that the seed chooses."""

    faults: tuple[tuple[str, Fault], ...]
    every_s: tuple[float, float] = BETWEEN_S_DEFAULT
    """From one beginning to the next."""
    for_s: tuple[float, float] = BETWEEN_S_DEFAULT
    stable_s: float = STABLE_S_DEFAULT
    """After the last of those that overlap has ended, nothing begins for so long: what has healed must show that it works."""
    together: int = TOGETHER_DEFAULT
    """At most so many at once."""


@dataclass(frozen=True, slots=True)
class Expectations:
    recover_within: float = RECOVERY_TIMEOUTS
    """While a majority is sound and connected, writes are acknowledged again within so many election timeouts."""
    converge_within_s: float = CONVERGE_S
    control: bool = False
    """The run must end VIOLATED: it shows that the checkers see. It is not among those that must pass."""


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    doc: str
    nodes: int = NODES_DEFAULT
    settings: Settings = field(default_factory=dict)
    engine: str = ""
    """Empty: any; else the one that it is about."""
    duration_s: float = DURATION_S_DEFAULT
    load: Load = Load()
    schedule: tuple[Step, ...] = ()
    random: Random | None = None
    expect: Expectations = Expectations()
