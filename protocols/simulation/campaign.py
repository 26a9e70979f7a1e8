"""One seed from beginning to end: a safety phase in which anything may fail, then a liveness phase in which progress is owed.

The rule it keeps: liveness is demanded only of what consensus promises it for: once a quorum of voters runs, sees each other and has
working disks, a proposal commits within LIVENESS_TIMEOUTS election timeouts, whatever the other nodes and links go through;
and where these can only shout at the quorum, or only listen to it, its leader stays.
Then everything is healed and the clients fall silent, and no member may stand still for CONVERGENCE_TIMEOUTS until all of them agree.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from quorate.protocols.core import NodeId, StateMachine
from quorate.protocols.sessions import Sessions
from quorate.protocols.simulation.application import Application, Registers
from quorate.protocols.simulation.disk import SimulatedDisk
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.invariants import Watch
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.machine import with_sessions
from quorate.protocols.simulation.nemesis import Nemesis, Strike
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.policy import Jitter
from quorate.protocols.simulation.shapes import Pair, halves, one_way, ring
from quorate.protocols.simulation.swarm import Settings, swarm
from quorate.protocols.simulation.workload import Observer, Operation, Workload
from quorate.protocols.simulation.world import CORE_ASSERTION, World

# A split vote costs up to two timeouts and happens again with falling odds; a catch-up by snapshot may lie in between.
LIVENESS_TIMEOUTS = 30
# A frame may be a second late, a former leader that still gets late answers steps down an election timeout after the last, and a
# split vote or two may follow; only then must nothing change any more.
SETTLING_TIMEOUTS = 15
STABLE_TIMEOUTS = 5
# A snapshot transfer may break several times before it gets through.
CONVERGENCE_TIMEOUTS = 30

PROGRESS = "a healed quorum commits within its bound"
STABILITY = "a healed quorum keeps its leader while the others only shout, or only listen"
CONVERGENCE = "healed members go on until they agree"

EVENTS = 10_000

SAFETY, LIVENESS, AGREEMENT = "safety", "liveness", "convergence"
"""The phases of a run."""


@dataclass(slots=True)
class Result:
    """What became of one seed."""

    seed: int
    settings: Settings
    omitted: frozenset[int] = frozenset()
    events: int = 0
    """With a violation: the event that showed it."""
    steps: int = 0
    """How many of them belong to the safety phase."""
    fingerprint: int = 0
    violation: Violation | None = None
    phase: str = SAFETY
    """The last phase that began. A violation of SAFETY shows again with `run(events, liveness=False)`; one of a later phase needs
    these phases, after fewer steps perhaps."""
    strikes: list[Strike] = field(default_factory=list)
    coverage: dict[tuple[str, str, str], int] = field(default_factory=dict)
    """(fault, role of the victim, phase of the cluster): how often that was reached."""
    sometimes: dict[str, int] = field(default_factory=dict)
    """How often each branch of recovery and of the engine's was taken."""
    counts: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


class Campaign:
    """One world with its clients and its nemesis. Strikes whose numbers are `omitted` do not happen, and change no other."""

    def __init__(
        self,
        engine: Engine,
        seed: int,
        *,
        nodes: int | None = None,
        settings: Settings | None = None,
        node_class: type[Node] = Node,
        disk_class: type[SimulatedDisk] = SimulatedDisk,
        omitted: frozenset[int] = frozenset(),
        sessions: Callable[[StateMachine], StateMachine] = Sessions,
        application: Application | None = None,
        observer: Observer | None = None,
        watch_class: type[Watch] | None = None,
        trace: bool = False,
    ) -> None:
        self.seed = seed
        self.settings = swarm(seed, nodes) if settings is None else settings
        self._omitted = omitted
        application = Registers() if application is None else application
        machine = with_sessions(application.machine, sessions)
        self.world = World(
            engine,
            self.settings,
            seed,
            node_class=node_class,
            disk_class=disk_class,
            watch_class=watch_class,
            machine=machine,
            trace=trace,
        )
        self.nemesis = Nemesis(self.world, omitted)
        self.workload = Workload(self.settings, Random(f"{seed}/workload"), self.world.schedule, self, application, observer)
        self.workload.histories_change = engine.by_hand

    # --- the cluster as clients see it ---

    def serving(self) -> list[NodeId]:
        return [name for name, node in self.world.nodes.items() if node.core is not None]

    def request(self, name: NodeId, operation: Operation) -> bool:
        return self.world.request(name, operation)

    def give_up(self, name: NodeId, operation: Operation) -> None:
        self.world.give_up(name, operation)

    # --- the phases ---

    def run(self, events: int = EVENTS, *, liveness: bool = True) -> Result:
        result = Result(self.seed, self.settings, self._omitted)
        try:
            self._safety(events)
            if liveness:
                result.phase = LIVENESS
                self._liveness()
                result.phase = AGREEMENT
                self._convergence()
            self.world.watch.full_check()
        except Violation as violation:
            result.violation = violation
        except Exception as problem:  # of a core that is made or fed outside a step: at the beginning, or when all is healed
            result.violation = Violation(CORE_ASSERTION, f"{type(problem).__name__}: {problem}")
        result.events = self.world.events
        result.steps = min(events, result.events)
        result.fingerprint = self.world.watch.fingerprint
        result.strikes = self.nemesis.strikes
        result.coverage = self.world.coverage.faults
        result.sometimes = {**self.world.coverage.sometimes, **self.workload.counts, **self.world.watch.exactly_once.counts}
        result.counts = {**self.nemesis.counts, **self.workload.counts}
        result.lines = self.world.trace.lines
        return result

    def _safety(self, events: int) -> None:
        world = self.world
        for node in list(world.nodes.values()):
            world.start(node)
            world.run_clock(node)
        self.workload.start()
        self.nemesis.start()
        step = world.step
        for _ in range(events):
            step()

    def _liveness(self) -> None:
        world, quorum = self.world, self._quorum()
        self.nemesis.stop()
        if not quorum:
            world.coverage.reach("liveness not owed: no quorum is left")
            return
        world.trace.say("--", f"the quorum {' '.join(quorum)} is healed")
        self._heal(quorum)
        if not self.nemesis.keep_primary(quorum):
            world.coverage.reach("liveness not owed: no primary is left")
            return
        shunned = self._shun(quorum)
        self.workload.patient = True
        before = self.workload.done("write")
        # Nothing is asked, and so nothing owed, while all clients sleep.
        limit = self._timeouts(LIVENESS_TIMEOUTS) + self.workload.asleep_ns()
        while self.workload.done("write") == before:
            if world.schedule.now > limit:
                raise Violation(
                    PROGRESS, f"{[world.nodes[name] for name in quorum]} acknowledged no write in {LIVENESS_TIMEOUTS} election timeouts"
                )
            world.step()
        if shunned:
            self._stability(quorum)

    def _shun(self, quorum: list[NodeId]) -> bool:
        """The rest stays as it is; or it can no longer hear the quorum, or no longer be heard, for good. Whether it is so."""
        rest = [name for name in self.world.nodes if name not in quorum]
        match Random(f"{self.seed}/rest").choice(("as it is", "deaf", "mute", "on a bridge", "on a ring")):
            case "deaf":
                self.world.network.cut(one_way(quorum, rest))
            case "mute":
                self.world.network.cut(one_way(rest, quorum))
            case "on a bridge":  # one of the quorum sees everybody
                self._rearrange(quorum, halves([name for name in quorum if name != quorum[0]], rest))
                return False
            case "on a ring":  # no two of the rest see the same nodes
                self._rearrange(quorum, ring([*quorum, *rest]))
                return False
            case _:
                return False
        return True

    def _rearrange(self, quorum: list[NodeId], cut: list[Pair]) -> None:
        """Heal all links but those of the quorum, which are healed, then cut these unless they are the quorum's."""
        names = list(self.world.nodes)
        others = [(one, other) for one in names for other in names if one != other and not (one in quorum and other in quorum)]
        self.world.network.heal(others)
        self.world.network.cut([pair for pair in cut if pair in others])

    def _stability(self, quorum: list[NodeId]) -> None:
        """Whoever cannot hear the quorum deposes nobody, however often it asks: no term begins in the quorum any more."""
        world = self.world
        self.workload.on = False
        self._pass(SETTLING_TIMEOUTS)
        before = [world.nodes[name].term for name in quorum]
        self._pass(STABLE_TIMEOUTS)
        after = [world.nodes[name].term for name in quorum]
        if before != after:
            raise Violation(STABILITY, f"the terms of {quorum} went from {before} to {after} in {STABLE_TIMEOUTS} election timeouts")

    def _pass(self, timeouts: int) -> None:
        limit = self._timeouts(timeouts)
        while self.world.schedule.now < limit:
            self.world.step()

    def _convergence(self) -> None:
        """All members of the last configuration apply all that was committed when everything was healed."""
        world = self.world
        world.trace.say("--", "everything is healed")
        self._heal(list(world.nodes))
        self.workload.on = False
        if not self._quorum() or not self.nemesis.keep_primary(list(world.nodes)):
            return
        goal, before = world.watch.goal(), -1
        while True:
            if world.engine.by_hand:
                goal = world.watch.goal()  # with the primary, which may change
            applied = self._applied(goal)
            if all(index >= goal for index in applied):
                return
            if sum(applied) > before:
                # How long it takes depends on the lag and on the engine's windows; but nobody may stand still.
                before, limit = sum(applied), self._timeouts(CONVERGENCE_TIMEOUTS)
            if world.schedule.now > limit:
                raise Violation(
                    CONVERGENCE, f"{list(world.nodes.values())} stand still below {goal} for {CONVERGENCE_TIMEOUTS} election timeouts"
                )
            for _ in range(100):
                world.step()

    def _applied(self, goal: int) -> list[int]:
        nodes = self.world.nodes
        able = [nodes[one.name] for one in self.world.watch.members() if one.name in nodes and nodes[one.name].storage == one.storage]
        members = [node for node in able if not node.disk.damaged]
        return [0 if node.core is None else min(goal, self.world.watch.agreed(node)) for node in members]

    def _timeouts(self, count: int) -> int:
        return self.world.schedule.now + count * self.world.engine.election_ticks * self.settings.tick_ns

    def _quorum(self) -> list[NodeId]:
        """Nodes, in a seeded order, that are a majority of every configuration that may be in force; none if too many disks are lost."""
        names = [name for name, node in self.world.nodes.items() if not node.disk.damaged]
        Random(f"{self.seed}/quorum").shuffle(names)
        for count in range(1, len(names) + 1):
            if self.world.is_quorum(names[:count]):
                return names[:count]
        return []

    def _heal(self, names: list[NodeId]) -> None:
        world = self.world
        pairs: list[Pair] = [(one, other) for one in names for other in names if one != other]
        # Delays stay, but bounded: of heavy tails no election timeout is safe.
        sound = replace(self.settings.rule, drop_ppm=0, duplicate_ppm=0, reorder_ppm=0, corrupt_ppm=0, bytes_per_s=0, jitter=Jitter.UNIFORM)
        world.network.set(pairs, sound)
        world.slow_disks.clear()
        world.healthy = True
        for name in names:
            node = world.nodes[name]
            node.doom = None
            if node.disk.failed or node.disk.stalled:
                world.crash(node)
            node.disk.full = False
            if node.core is None:
                if world.start(node):
                    world.run_clock(node)
            elif node.paused:
                node.resume()
