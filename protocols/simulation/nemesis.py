"""What goes wrong, and when: random faults and membership changes at the rates that the swarm settings give.

The rule it keeps: every choice comes from its own seeded Random, so that another fault more or less does not change the rest.
"""

from collections.abc import Callable
from random import Random

from quorate.protocols.core import AddLearner, Change, Configuration, NodeId, Promote, Remove
from quorate.protocols.simulation import policy
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.policy import Pair, Rule
from quorate.protocols.simulation.schedule import MILLISECOND
from quorate.protocols.simulation.swarm import FAULTS, drift_ppm
from quorate.protocols.simulation.workload import Operation, Outcome
from quorate.protocols.simulation.world import World, member

# A fuse longer than the acts of a busy turn would mostly burn out in a later one anyway.
FUSE_ACTS_MAX = 24
# Beyond this the world does not grow: quorums become slow, and every node costs a clock.
NODES_MAX = 8
PAUSE_NS_MAX = 1_500 * MILLISECOND


class Nemesis:
    """Lets one fault happen every now and then, until `stop`."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self.on = True
        self.counts: dict[str, int] = {}
        """How often each fault was let loose."""
        self._acts: dict[str, Callable[[], bool | None]] = {name: getattr(self, f"_{name}") for name in FAULTS}

    def start(self) -> None:
        if self._world.settings.fault_ns and any(self._world.settings.weights):
            self._next()

    def stop(self) -> None:
        self.on = False

    def _next(self) -> None:
        self._world.schedule.after(self._rng.randrange(2 * self._world.settings.fault_ns) + 1, self._strike)

    def _strike(self) -> None:
        if self.on:
            name = self._rng.choices(FAULTS, self._world.settings.weights)[0]
            if self._acts[name]() is not False:
                self.counts[name] = self.counts.get(name, 0) + 1
                self._world.trace.say("--", name)
            self._next()

    # --- whom ---

    def _alive(self) -> list[Node]:
        return [node for node in self._world.nodes.values() if node.core is not None]

    def _one(self) -> Node | None:
        """A running node; the leader more often than its share, for that is where most can go wrong."""
        alive = self._alive()
        leader = self._world.leader()
        if leader is not None and self._rng.random() < 0.3:
            return leader
        return self._rng.choice(alive) if alive else None

    def _shuffled(self) -> list[NodeId]:
        names = list(self._world.nodes)
        self._rng.shuffle(names)
        return names

    # --- processes ---

    def restart_later(self, node: Node) -> None:
        self._world.schedule.after(self._rng.randrange(2 * self._world.settings.repair_ns) + 1, self._restart, node)

    def _restart(self, node: Node) -> None:
        if node.core is None and self.on:
            self._world.start(node)
            self._world.run_clock(node)

    def _crash(self) -> bool | None:
        node = self._one()
        if node is None:
            return False
        self._world.crash(node)
        self.restart_later(node)
        return None

    def _crash_within(self) -> bool | None:
        """Between two acts of carrying out one Effects."""
        node = self._one()
        if node is None:
            return False
        node.fuse = self._rng.randint(1, FUSE_ACTS_MAX)
        self.restart_later(node)  # finds it alive if the fuse has not burnt down
        self._world.schedule.after(2 * self._world.settings.repair_ns, self._restart, node)
        return None

    def _crash_all(self) -> None:
        for node in self._alive():
            self._world.crash(node)
            self.restart_later(node)

    def _pause(self) -> bool | None:
        node = self._one()
        if node is None or node.paused:
            return False
        node.pause()
        if self._rng.random() < 0.5:
            # A suspended machine hears nothing on waking either, until its links are up again.
            self._cut(policy.isolate(list(self._world.nodes), node.name))
        self._world.schedule.after(self._rng.randrange(PAUSE_NS_MAX), self._resume, node, node.incarnation)
        return None

    def _resume(self, node: Node, incarnation: int) -> None:
        if node.incarnation == incarnation and node.paused:
            node.resume()

    # --- links ---

    def _cut(self, pairs: list[Pair]) -> bool:
        """Silent, or with the news that the connections broke, as when the machine in between says so."""
        if self._rng.random() < 0.5:
            for source, destination in pairs:
                self._world.hint(destination, source)
        self._world.network.cut(pairs)
        if pairs and self._rng.random() < 0.7:
            self._world.schedule.after(self._rng.randrange(4 * self._world.settings.repair_ns) + 1, self._mend, pairs)
        return bool(pairs)

    def _mend(self, pairs: list[Pair]) -> None:
        if self.on:
            self._world.network.heal(pairs)

    def _isolate(self) -> bool:
        names = self._shuffled()
        return self._cut(policy.isolate(names, names[0]))

    def _isolate_leader(self) -> bool:
        leader = self._world.leader()
        return leader is not None and self._cut(policy.isolate(list(self._world.nodes), leader.name))

    def _halves(self) -> bool:
        names = self._shuffled()
        at = self._rng.randint(1, len(names))
        return self._cut(policy.halves(names[:at], names[at:]))

    def _one_way(self) -> bool:
        names = self._shuffled()
        at = self._rng.randint(1, len(names))
        return self._cut(policy.one_way(names[:1], names[1:at]) if self._rng.random() < 0.5 else policy.one_way(names[1:at], names[:1]))

    def _bridge(self) -> bool:
        return self._cut(policy.bridge(self._shuffled()))

    def _ring(self) -> bool:
        return self._cut(policy.ring(self._shuffled()))

    def _pair(self) -> list[Pair]:
        names = self._shuffled()
        return [(names[0], names[1])] if len(names) > 1 else []

    def _flaky_link(self) -> bool:
        pairs = self._pair()
        self._world.network.set(pairs, Rule(MILLISECOND, 20 * MILLISECOND, 300_000, 200_000, 300_000, 50 * MILLISECOND))
        return bool(pairs)

    def _slow_link(self) -> bool:
        pairs = self._pair()
        self._world.network.set(pairs, Rule(self._rng.choice((100, 1_000)) * MILLISECOND, 300 * MILLISECOND))
        return bool(pairs)

    def _reset(self) -> bool:
        """A connection breaks and both ends hear of it, though both live on."""
        for one, other in self._pair():
            self._world.hint(one, other)
            self._world.hint(other, one)
        return len(self._world.nodes) > 1

    def _heal(self) -> None:
        self._world.network.heal()
        self._world.slow_disks = False

    # --- disks and clocks ---

    def _slow_disk(self) -> None:
        self._world.slow_disks = not self._world.slow_disks

    def _fail_disk(self) -> bool | None:
        """A failed fsync is never answered; whoever runs the node restarts it some time later."""
        node = self._one()
        if node is None:
            return False
        node.disk.fail()
        self._world.schedule.after(self._rng.randrange(PAUSE_NS_MAX), self._replace_process, node, node.incarnation)
        return None

    def _replace_process(self, node: Node, incarnation: int) -> None:
        if node.incarnation == incarnation and node.core is not None:
            self._world.crash(node)
            self.restart_later(node)

    def _drift(self) -> bool | None:
        node = self._one()
        if node is None:
            return False
        node.clock.drift(self._world.schedule.now, drift_ppm(self._rng))
        return None

    # --- leadership and membership ---

    def _ask(self, operation: Operation) -> bool:
        leader = self._world.leader()
        return leader is not None and self._world.request(leader.name, operation)

    def _change(self, change: Change) -> bool:
        return self._ask(Operation("change", self._settled, change=change))

    def _settled(self, operation: Operation, outcome: Outcome, _: NodeId | None) -> None:
        name = f"{operation.kind} {outcome.value}"
        self.counts[name] = self.counts.get(name, 0) + 1

    def _configuration(self) -> Configuration:
        leader = self._world.leader()
        return self._world.watch.ledger.configuration if leader is None or leader.core is None else leader.core.configuration

    def _transfer(self) -> bool:
        names = self._configuration().names
        return bool(names) and self._ask(Operation("transfer", self._settled, to=self._rng.choice(names)))

    def _add_learner(self) -> bool:
        """A new node with an empty disk and no idea of the others. Names are never used again."""
        world = self._world
        if len(world.nodes) >= NODES_MAX:
            return False
        joining = member(len(world.nodes) + 1, voter=False, promote=self._rng.random() < 0.7)
        if not self._change(AddLearner(joining)):
            return False
        node = world.add(joining, Configuration())
        world.start(node)
        world.run_clock(node)
        return True

    def _promote(self) -> bool:
        learners = [one.name for one in self._configuration().members if not one.voter]
        return bool(learners) and self._change(Promote(self._rng.choice(learners)))

    def _remove(self) -> bool:
        names = self._configuration().names
        return len(names) > 1 and self._change(Remove(self._rng.choice(names)))
