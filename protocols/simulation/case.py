"""One run of the simulator as a command can name it: a seed, and what was made smaller in its world.

The rule it keeps: a case is all that a run depends on. Equal cases of one engine give the same events, so that a case replays what
it found, and a shrinker may remember what it has tried.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from quorate.protocols.core import StateMachine
from quorate.protocols.sessions import Sessions
from quorate.protocols.simulation.campaign import EVENTS, Campaign, Result
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.nemesis import BY_HAND_FROM
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.swarm import swarm

NUMBERS_MAX = 1_000_000
"""So many strikes no run has that anybody waits for."""
NONE = "none"
"""How an empty set of numbers is written."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is None is as the seed chooses it."""

    seed: int
    steps: int = EVENTS
    nodes: int | None = None
    clients: int | None = None
    only: frozenset[int] | None = None
    """The numbers of the only strikes that happen."""

    def options(self) -> str:
        """As the options of `quorate sim`."""
        words = [f"--seed {self.seed}"]
        if self.steps != EVENTS:
            words.append(f"--steps {self.steps}")
        if self.nodes is not None:
            words.append(f"--nodes {self.nodes}")
        if self.clients is not None:
            words.append(f"--clients {self.clients}")
        if self.only is not None:
            words.append(f"--only {write_numbers(self.only)}")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Subject:
    """What runs in the worlds of cases: an engine, the driver and the disk under it, the sessions above it."""

    engine: Engine
    node_class: type[Node] = Node
    disk_class: type[SimulatedDisk] = SimulatedDisk
    sessions: Callable[[StateMachine], StateMachine] = Sessions

    def run(self, case: Case, *, trace: bool = False) -> Result:
        settings = swarm(case.seed, case.nodes)
        if case.clients is not None:
            settings.clients = case.clients
        # A strike is an event: there are never more of them than steps.
        all_of_them = frozenset(range(case.steps)) | frozenset(range(BY_HAND_FROM, BY_HAND_FROM + case.steps))
        omitted = frozenset() if case.only is None else all_of_them - case.only
        campaign = Campaign(
            self.engine,
            case.seed,
            settings=settings,
            node_class=self.node_class,
            disk_class=self.disk_class,
            sessions=self.sessions,
            omitted=omitted,
            trace=trace,
        )
        return campaign.run(case.steps)


def write_numbers(numbers: frozenset[int]) -> str:
    """3,5-9: ranges where there are any; "none" for none."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges) or NONE


def read_numbers(text: str) -> frozenset[int]:
    """The other way; ValueError says what is wrong."""
    if text == NONE:
        return frozenset()
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part)
        if match is None:
            raise ValueError(f"numbers and ranges are written as 3,5-9, or {NONE}; not {part!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"a range goes from the smaller number to the larger, not {part}")
        if last > NUMBERS_MAX:
            raise ValueError(f"no run has a strike of number {last}; the largest that is taken is {NUMBERS_MAX}")
        found.update(range(first, last + 1))
    return frozenset(found)
