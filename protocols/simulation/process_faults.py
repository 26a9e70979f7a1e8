"""Faults of processes and of their clocks: death at any act, alone, aimed, repeated or all at once; standing still; wrong time."""

from collections.abc import Callable

from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.doom import ACTS, Doom
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.schedule import MILLISECOND, SECOND
from quorate.protocols.simulation.shapes import isolate
from quorate.protocols.simulation.swarm import drift_ppm
from quorate.protocols.simulation.world import World

# Counting down longer than the acts of a busy turn would mostly end in a later one anyway.
DOOM_ACTS_MAX = 24
# Of one kind of act fewer are enough: how often a vote is cast before the election is over.
AIMED_ACTS_MAX = 3
DEATHS_IN_A_ROW_MAX = 5
PAUSE_NS_MAX = 1_500 * MILLISECOND


class ProcessFaults:
    def __init__(self, world: World, repairs: Repairs) -> None:
        self._world = world
        self._repairs = repairs
        self.acts: dict[str, Fault] = {
            "crash": self._crash,
            "crash_within": self._crash_within,
            "crash_at": self._crash_at,
            "crash_loop": self._crash_loop,
            "crash_all": self._crash_all,
            "pause": self._pause,
            "drift": self._drift,
            "jump": self._jump,
        }

    def _crash(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        self._world.crash(node)
        self._repairs.restart_later(aim, node)
        return True

    def _crash_within(self, aim: Aim) -> bool:
        """Between two acts of carrying out one Effects."""
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        node.doom = Doom(aim.rng.randint(1, DOOM_ACTS_MAX), after=lambda dead: self._repairs.restart_later(aim, dead))
        return True

    def _crash_at(self, aim: Aim) -> bool:
        """At an act of one kind, mostly to be back before anyone has noticed; one node, or each at its own such act."""
        node = aim.one()
        if node is None:
            return False
        act = aim.rng.choice(ACTS)
        types = aim.rng.getrandbits(32) if act in ("receive", "send") and aim.rng.random() < 0.8 else 0
        victims = self._running() if aim.rng.random() < 0.4 else [node]
        count = aim.rng.randint(1, AIMED_ACTS_MAX)
        aim.at(*victims)
        aim.words = f"at {act} {count}"
        for victim in victims:
            victim.doom = Doom(count, act, types, self._soon(aim))
        return True

    def _crash_loop(self, aim: Aim) -> bool:
        """Dies again soon after each start, a few times in a row."""
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        left = aim.rng.randint(2, DEATHS_IN_A_ROW_MAX)
        aim.words = f"{left} times"

        def again(dead: Node) -> None:
            nonlocal left
            left -= 1
            doom = Doom(aim.rng.randint(1, DOOM_ACTS_MAX), after=again) if left else None
            self._world.schedule.after(aim.rng.randrange(self._world.settings.tick_ns), self._repairs.restart, dead, doom)

        self._world.crash(node)
        again(node)
        return True

    def _crash_all(self, aim: Aim) -> bool:
        """The power fails, for all, or for all but the leader and perhaps for the switch between them; it comes back for all at the same
        instant, at once or later, or their machines take their own time."""
        leader = self._world.leader()
        spared = leader if leader is not None and aim.rng.random() < 0.4 else None
        running = [node for node in self._running() if node is not spared]
        aim.at(*running)
        if spared is not None and aim.rng.random() < 0.5:
            aim.words = f"and {spared.name} is cut off"
            self._cut_off(aim, spared)
        settings = self._world.settings
        together = aim.rng.choice((aim.rng.randrange(2 * settings.repair_ns), aim.rng.randrange(settings.tick_ns), None))
        for node in running:
            self._world.crash(node)
            if together is None:
                self._repairs.restart_later(aim, node)
            else:
                self._world.schedule.after(together, self._repairs.restart, node)
        return bool(running)

    def _running(self) -> list[Node]:
        return [node for node in self._world.nodes.values() if node.core is not None]

    def _soon(self, aim: Aim) -> Callable[[Node], None]:
        """Restart the dead at once, within a tick, or some time later."""
        tick_ns = self._world.settings.tick_ns
        delay = aim.rng.choice((0, aim.rng.randrange(tick_ns), aim.rng.randrange(tick_ns), None))

        def restart(dead: Node) -> None:
            if delay is None:
                self._repairs.restart_later(aim, dead)
            else:
                self._world.schedule.after(delay, self._repairs.restart, dead)

        return restart

    def _pause(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None or node.paused:
            return False
        aim.at(node)
        node.paused = True
        if aim.rng.random() < 0.6:
            # A suspended machine hears nothing on waking either, until its links are up again.
            aim.words = "and cut off"
            self._cut_off(aim, node)
        self._world.schedule.after(aim.rng.randrange(PAUSE_NS_MAX), self._resume, node, node.incarnation)
        return True

    def _cut_off(self, aim: Aim, node: Node) -> None:
        pairs = isolate(list(self._world.nodes), node.name)
        self._world.network.cut(pairs)
        self._repairs.mend_later(aim, pairs)

    def _resume(self, node: Node, incarnation: int) -> None:
        if node.incarnation == incarnation and node.paused:
            node.resume()

    # --- clocks ---

    def _drift(self, aim: Aim) -> bool:
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        rate = drift_ppm(aim.rng)
        aim.words = f"{rate:+} ppm"
        node.clock.drift(self._world.schedule.now, rate)
        return True

    def _jump(self, aim: Aim) -> bool:
        """Somebody sets the clock. In these worlds nobody asks for reads by lease: these rely on clocks that do not jump."""
        node = aim.one()
        if node is None:
            return False
        aim.at(node)
        by_ns = aim.rng.choice((-1, 1, 1)) * aim.rng.randrange(aim.rng.choice((100 * MILLISECOND, 5 * SECOND)))
        aim.words = f"by {by_ns / MILLISECOND:+.0f} ms"
        node.clock.jump(by_ns)
        return True
