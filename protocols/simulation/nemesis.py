"""What goes wrong, and when: numbered strikes at the rates that the swarm settings give.

The rule it keeps: when a strike happens is a function of the seed and its number; what it does, of these and of whom it finds. So to
leave a strike out changes neither the times nor the dice of the others, and a shrinker may leave out any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.by_hand import Operator
from quorate.protocols.simulation.coverage import phase
from quorate.protocols.simulation.disk_faults import DiskFaults
from quorate.protocols.simulation.link_faults import LinkFaults
from quorate.protocols.simulation.membership_faults import MembershipFaults
from quorate.protocols.simulation.process_faults import ProcessFaults
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.swarm import FAULTS
from quorate.protocols.simulation.world import World

BY_HAND = "promote_by_hand"
BY_HAND_FROM = 500_000
"""Numbers of the operator's strikes begin here: beyond the others, of which no run that anybody waits for has so many."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault that happened."""

    number: int
    at_ns: int
    fault: str
    hit: str
    """What it hit, in words."""


class Nemesis:
    """Lets one fault happen every now and then, until `stop`; those whose numbers are `omitted` never."""

    def __init__(self, world: World, omitted: frozenset[int] = frozenset()) -> None:
        self._world = world
        self._omitted = omitted
        self._times = Random(f"{world.seed}/nemesis")
        self._looking = Random(f"{world.seed}/operator")
        self._number = 0
        self._repairs = Repairs(world)
        self.strikes: list[Strike] = []
        self._changes = MembershipFaults(world, self._repairs)
        acts = {
            **ProcessFaults(world, self._repairs).acts,
            **LinkFaults(world, self._repairs).acts,
            **DiskFaults(world, self._repairs, self._changes).acts,
            **self._changes.acts,
        }
        assert set(acts) == set(FAULTS), set(acts) ^ set(FAULTS)
        self._acts = acts
        self._operator = Operator(world, self._changes) if world.engine.by_hand else None
        self._looks = 0

    @property
    def counts(self) -> dict[str, int]:
        """How often each fault was let loose, and how changes and transfers ended."""
        counts = dict(self._changes.outcomes)
        for strike in self.strikes:
            counts[strike.fault] = counts.get(strike.fault, 0) + 1
        return counts

    def start(self) -> None:
        if self._world.settings.fault_ns and any(self._world.settings.weights):
            self._next()
            if self._operator is not None:
                self._look_later()

    def keep_primary(self, names: Sequence[NodeId]) -> bool:
        """From now on these are not left without a primary, where an operator has to see to that. False if none of them can be one."""
        return self._operator is None or self._operator.keep_primary(names)

    def stop(self) -> None:
        self._repairs.on = False

    def _next(self) -> None:
        delay = self._times.randrange(2 * self._world.settings.fault_ns) + 1
        self._world.schedule.after(delay, self._strike, self._number)
        self._number += 1

    def _strike(self, number: int) -> None:
        if not self._repairs.on:
            return
        if number not in self._omitted:
            self._let_loose(number)
        self._next()

    def _look_later(self) -> None:
        """The operator's strikes have times and numbers of their own: no other engine's worlds know of them."""
        delay = self._looking.randrange(4 * self._world.settings.repair_ns) + 1
        self._world.schedule.after(delay, self._look, BY_HAND_FROM + self._looks)
        self._looks += 1

    def _look(self, number: int) -> None:
        assert self._operator is not None, self
        if not self._repairs.on:
            return
        if number not in self._omitted:
            self._carry_out(Aim(self._world, number), BY_HAND, self._operator.promote)
        self._look_later()

    def _let_loose(self, number: int) -> None:
        aim = Aim(self._world, number)
        fault = aim.rng.choices(FAULTS, self._world.settings.weights)[0]
        self._carry_out(aim, fault, self._acts[fault])

    def _carry_out(self, aim: Aim, fault: str, act: Fault) -> None:
        world = self._world
        during = phase(world)
        if not act(aim):
            return
        for _, was in aim.hit:
            world.coverage.hit(fault, was, during)
        self.strikes.append(Strike(aim.number, world.schedule.now, fault, str(aim)))
        world.trace.say("--", f"{aim.number} {fault} {aim}".rstrip())
