"""What a node takes from the machine that it runs on, besides the event loop.

The rule: all of it is handed in from here, so that a simulation can hand in another clock, disk and randomness.
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random, SystemRandom
from time import perf_counter

from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.runtime.config import NodeConfig
from quorate.cluster.runtime.engines import make_core
from quorate.cluster.storage.files import Files, RealFiles
from quorate.cluster.storage.journal import Journal
from quorate.cluster.storage.snapshots import start_thread
from quorate.protocols.core import Clock, Configuration, Core, Recovered

MakeCore = Callable[[NodeConfig, Configuration, Random, int, Recovered], Core]


def _freeze_memory() -> None:
    """What is loaded now lives as long as the process: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The defaults are the real ones."""

    clock: Clock = field(default_factory=BootClock)
    work_s: Callable[[], float] = perf_counter
    """Seconds of work, so that long work can be cut into slices."""
    files: Files = field(default_factory=RealFiles)
    rng: Random = field(default_factory=SystemRandom)
    beside: Callable[[Callable[[], None]], None] = start_thread
    """Runs slow disk work beside the loop."""
    steps_journal: Callable[[Journal], None] | None = None
    """In place of the log's threads: told of each write that is queued, it sees to it that the journal is stepped."""
    make_core: MakeCore = make_core
    on_hosting: Callable[[], None] = _freeze_memory
    """Called once the node hosts its groups: what it has loaded stays."""
