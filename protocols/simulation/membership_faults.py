"""What operators ask for while things go wrong: membership changes and hand-overs of the leadership."""

from quorate.protocols.core import AddLearner, Change, Configuration, Member, NodeId, Promote, Remove
from quorate.protocols.simulation.aim import Aim, Fault
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.repairs import Repairs
from quorate.protocols.simulation.shapes import isolate
from quorate.protocols.simulation.workload import Operation, Outcome
from quorate.protocols.simulation.world import World, member

# Beyond this the world does not grow: quorums become slow, and every node costs a clock.
NODES_MAX = 8
# Whoever takes a machine off the network waits hardly longer for the hand-over.
DEPARTURE_TICKS_MAX = 3


class MembershipFaults:
    """Not faults in themselves, but struck at the same random times."""

    def __init__(self, world: World, repairs: Repairs) -> None:
        self._world = world
        self._repairs = repairs
        self.outcomes: dict[str, int] = {}
        """How what was asked for ended, by "kind outcome"."""
        self.acts: dict[str, Fault] = {
            "transfer": self._transfer,
            "add_learner": self._add_learner,
            "promote": self._promote,
            "remove": self._remove,
        }

    def _ask(self, aim: Aim, operation: Operation) -> bool:
        leader = self._world.leader()
        if leader is None:
            return False
        aim.at(leader)
        return self._world.request(leader.name, operation)

    def _change(self, aim: Aim, change: Change) -> bool:
        name = change.member.name if isinstance(change, AddLearner) else change.name
        aim.words = f"{type(change).__name__} {name}"
        return self._ask(aim, Operation("change", self.settled, change=change))

    def settled(self, operation: Operation, outcome: Outcome, _: NodeId | None) -> None:
        name = f"{operation.kind} {outcome.value}"
        self.outcomes[name] = self.outcomes.get(name, 0) + 1

    def _configuration(self) -> Configuration:
        leader = self._world.leader()
        return self._world.watch.ledger.configuration if leader is None or leader.core is None else leader.core.configuration

    def _transfer(self, aim: Aim) -> bool:
        """Mostly to another voter; now and then because the leader's machine is about to be taken off the network, soon after."""
        leader, configuration = self._world.leader(), self._configuration()
        others = [name for name in configuration.names if name in configuration.voters and (leader is None or name != leader.name)]
        names = configuration.names if not others or aim.rng.random() < 0.1 else others
        if leader is None or not names:
            return False
        to = aim.first_of(names)
        aim.words = f"to {to}"
        if aim.rng.random() < 0.4:
            aim.words += ", before its machine is cut off"
            delay_ns = aim.rng.randrange(DEPARTURE_TICKS_MAX * self._world.settings.tick_ns)
            self._world.schedule.after(delay_ns, self._cut_off, aim, leader.name)
        return self._ask(aim, Operation("transfer", self.settled, to=to))

    def _cut_off(self, aim: Aim, name: NodeId) -> None:
        if self._repairs.on:
            pairs = isolate(list(self._world.nodes), name)
            self._world.network.cut(pairs)
            self._repairs.mend_later(aim, pairs)

    def _add_learner(self, aim: Aim) -> bool:
        """A new node with an empty disk and no idea of the others. Names are never used again."""
        world = self._world
        if len(world.nodes) >= NODES_MAX or world.leader() is None:
            return False
        joining = member(world.next_number(), voter=False, promote=aim.rng.random() < 0.7)
        if not self._change(aim, AddLearner(joining)):
            return False
        node = world.add(joining, Configuration())
        world.start(node)
        world.run_clock(node)
        return True

    def _promote(self, aim: Aim) -> bool:
        learners = [one.name for one in self._configuration().members if not one.voter]
        return bool(learners) and self._change(aim, Promote(aim.first_of(learners)))

    def _remove(self, aim: Aim) -> bool:
        """Not while a voter's disk is lost: what is left might be no quorum any more."""
        configuration = self._configuration()
        if len(configuration.names) < 2 or not all(self._world.nodes[name].votes_in(configuration) for name in configuration.voters):
            return False
        return self._change(aim, Remove(aim.first_of(configuration.names)))

    # --- a member whose disk was lost ---

    def replace_later(self, aim: Aim, node: Node) -> None:
        """`quorate member replace`: take the member out, and the same name with its new disk in, as a learner that is promoted."""
        self._world.schedule.after(aim.rng.randrange(2 * self._world.settings.repair_ns) + 1, self._replace, aim, node, node.storage)

    def _replace(self, aim: Aim, node: Node, storage: str) -> None:
        if not self._repairs.on or node.storage != storage:
            return
        configuration = self._configuration()
        known = configuration.get(node.name)
        if known is not None and known.storage == storage:
            self._world.coverage.reach("a lost disk was replaced")
            return
        if node.number in configuration.former:  # it was added and taken out again
            node.number = self._world.next_number()
        joining = Member(node.name, node.number, storage, voter=False, promote=True)
        change: Change = AddLearner(joining) if known is None else Remove(node.name)
        leader = self._world.leader()
        if leader is not None:
            self._world.request(leader.name, Operation("change", self.settled, change=change))
        self.replace_later(aim, node)
