"""Scenarios: text files of commands, each block followed by the output that it must give.

How to write one. A file is a list of blocks separated by blank lines. A block is commands, one a line, a line `----`, and the
output up to the next blank line. Lines that begin with # explain. Write the commands and an empty output, run
`QUORATE_REWRITE=1 pytest tests/protocols/test_scenarios.py`, and read what the file has become as you would review code:
from then on the test fails when the output changes. Nothing happens by itself: no clock runs, no message arrives and no
snapshot is streamed unless a command says so; only disks sync at once, unless held. All invariants are checked all the time;
a broken one is a line that begins with VIOLATION.

    cluster 3 election_ticks=10 n1.priority=2   start n1 to n3 with these options; n1's own with "n1."
    tick n1 5            5 ticks pass on n1, one turn each
    stall n1 50          50 ticks pass while n1's process stands still; its next turn finds them all at once
    campaign n1          ticks pass on n1 until it asks for votes
    elect n1             ... and all is delivered until n1 leads; prints only who leads then
    propose n1 a         ask n1 to replicate "a"
    read n1, lease n1    ask n1 for a read barrier, by its lease where it may
    change n1 add n4     ask n1 for a membership change; also: add n4 promote, promote n4, remove n2
    transfer n1 n2       ask n1 to hand its leadership over to n2
    deliver              all messages under way arrive; `deliver n1>n2 n3>` only those links ("n3>": all from n3)
    drop n1>n2           ... are lost
    duplicate n1>n2      ... are under way twice
    settle               deliver until nothing is under way
    cut n1>n2 n3, heal   silence links for good ("n3": all of n3's, both ways); open all again
    unreachable n1 n2    n1 hears that its connection to n2 broke
    hold n1, sync n1     n1's disk syncs nothing any more; syncs all and goes on (`sync n1 2`: two batches only, and holds on)
    crash n1, restart n1
    lose n1              crash, and the disk keeps nothing that was not synced (crash keeps it all)
    snapshot n1          n1 takes a snapshot of its state and compacts its log
    stream, break        all snapshot transfers under way succeed; fail
    state, log, waiting  what the nodes are; what their logs hold; which messages are under way
    quietly <command>    prints only notes and answers
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from quorate.protocols.core import AddLearner, Change, Configuration, Message, NodeId, Promote, Remove, Transfer
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.machine import Image
from quorate.protocols.simulation.network import Network
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.shapes import Pair
from quorate.protocols.simulation.swarm import QUIET, Settings
from quorate.protocols.simulation.trace import describe, describe_entries
from quorate.protocols.simulation.workload import Operation, Outcome
from quorate.protocols.simulation.world import World, member

RULE = "----"

# A scenario that needs longer does not settle at all.
SETTLE_ROUNDS_MAX = 200
CAMPAIGN_TICKS_MAX = 1_000


class Mailbox(Network):
    """A network on which messages wait until a command moves them."""

    waiting: list[tuple[NodeId, NodeId, Message]]

    def send(self, source: NodeId, destination: NodeId, message: Message) -> bool:
        if not self.is_cut(source, destination):
            self.waiting.append((source, destination, message))
        return True


class Stage(World):
    """A world in which nothing happens by itself."""

    def __init__(
        self,
        engine: Engine,
        nodes: int,
        options: Mapping[str, int],
        own: Mapping[NodeId, Mapping[str, int]],
        node_class: type[Node],
    ) -> None:
        self._figures = options
        self._own = own
        self.transfers: list[tuple[Node, Transfer, Image]] = []
        settings = Settings(nodes=nodes, rule=QUIET, hint_ppm=0, compact_every=0, fsync_ns=1)
        super().__init__(engine, settings, seed=1, node_class=node_class, trace=True, timed=False)

    def make_network(self) -> Network:
        self.mailbox = Mailbox(self.seed, self.schedule, self.deliver, self.settings.rule)
        self.mailbox.waiting = []
        return self.mailbox

    def options_of(self, name: NodeId) -> object:
        return self.engine.configure(**{**self._figures, **self._own.get(name, {})})

    def transfer(self, source: Node, transfer: Transfer, image: Image) -> None:
        self.transfers.append((source, transfer, image))


class Scenario:
    """Interprets one file. `node_class` lets a test take one safeguard out of the driver."""

    def __init__(self, engine: Engine, node_class: type[Node] = Node) -> None:
        self._engine = engine
        self._node_class = node_class
        self._stage: Stage | None = None
        self._commands: dict[str, Callable[[list[str]], None]] = {
            name.removeprefix("_do_"): getattr(self, name) for name in dir(self) if name.startswith("_do_")
        }

    @property
    def stage(self) -> Stage:
        if self._stage is None:
            raise ValueError("a scenario begins with `cluster`")
        return self._stage

    def run(self, text: str) -> str:
        """The same file with the output that its commands really give."""
        out: list[str] = []
        block: list[str] = []
        skipping = False
        for line in text.splitlines():
            if line == RULE:
                out += [RULE, *self._block(block)]
                block, skipping = [], True
            elif not line:
                skipping = False
                out.append(line)
            elif not skipping:
                out.append(line)
                if not line.startswith("#"):
                    block.append(line)
        if block:
            raise ValueError(f"no line {RULE} after: {block[-1]}")
        return "\n".join(out) + "\n"

    def _block(self, commands: list[str]) -> list[str]:
        shown: list[str] = []
        for command in commands:
            words = command.split()
            quietly = words[0] == "quietly"
            name, *words = words[1:] if quietly else words
            if name not in self._commands:
                raise ValueError(f"unknown command in: {command}")
            try:
                self._commands[name](words)
                self._let_happen()
            except Violation as violation:
                self.stage.trace.say("VIOLATION", f"{violation.invariant}: {violation.detail}")
            lines = self.stage.trace.lines
            shown += [line for line in lines if not quietly or line.split()[1] in ("*", "answers")]
            lines.clear()
        return shown or ["ok"]

    def _let_happen(self) -> None:
        """Disks sync; nothing else is on the schedule."""
        stage = self.stage
        stage.schedule.now += 1
        stage.schedule.settle()
        stage.watch.full_check()

    def _node(self, name: NodeId) -> Node:
        return self.stage.nodes[name]

    def _say(self, who: str, what: str) -> None:
        self.stage.trace.say(who, what)

    # --- the cluster ---

    def _do_cluster(self, words: list[str]) -> None:
        options: dict[str, int] = {}
        own: dict[NodeId, dict[str, int]] = {}
        for word in words[1:]:
            key, _, value = word.partition("=")
            name, dot, rest = key.partition(".")
            if dot:
                own.setdefault(name, {})[rest] = int(value)
            else:
                options[key] = int(value)
        self._stage = Stage(self._engine, int(words[0]), options, own, self._node_class)
        self._stage.trace.on = False
        for node in self._stage.nodes.values():
            self._stage.start(node)
        self._stage.trace.on = True

    def _do_crash(self, words: list[str]) -> None:
        node = self._node(words[0])
        node.disk.flush()
        self.stage.crash(node)

    def _do_lose(self, words: list[str]) -> None:
        node = self._node(words[0])
        node.disk.discard()
        self.stage.crash(node)

    def _do_restart(self, words: list[str]) -> None:
        self.stage.start(self._node(words[0]))

    # --- time ---

    def _do_tick(self, words: list[str]) -> None:
        for _ in range(int(words[1]) if len(words) > 1 else 1):
            self._pass(self._node(words[0]), 1)

    def _do_stall(self, words: list[str]) -> None:
        clock = self._node(words[0]).clock
        clock.jump(int(words[1]) * clock.tick_ns)

    def _pass(self, node: Node, ticks: int) -> None:
        node.clock.jump(ticks * node.clock.tick_ns)
        node.turn()
        self._let_happen()

    def _do_campaign(self, words: list[str]) -> None:
        node = self._node(words[0])
        for _ in range(CAMPAIGN_TICKS_MAX):
            assert node.core is not None, node
            if "candidate" in node.core.status.role or node.core.leader == node.name:
                return
            self._pass(node, 1)
        self._say(node.name, f"asks for no votes in {CAMPAIGN_TICKS_MAX} ticks")

    def _do_elect(self, words: list[str]) -> None:
        self.stage.trace.on = False
        self._do_campaign(words)
        self._do_settle([])
        self.stage.trace.on = True
        leader = self.stage.leader()
        self._say("--", "nobody leads" if leader is None else f"{leader.name} leads term {leader.leads}")

    # --- messages ---

    def _matching(self, words: list[str]) -> list[tuple[NodeId, NodeId, Message]]:
        def wanted(source: NodeId, destination: NodeId) -> bool:
            return not words or any(word in (f"{source}>{destination}", f"{source}>", f">{destination}") for word in words)

        return [one for one in self.stage.mailbox.waiting if wanted(one[0], one[1])]

    def _do_deliver(self, words: list[str]) -> None:
        for one in self._matching(words):
            self.stage.mailbox.waiting.remove(one)
            self.stage.deliver(*one)
            self._let_happen()

    def _do_drop(self, words: list[str]) -> None:
        for one in self._matching(words):
            self.stage.mailbox.waiting.remove(one)
            self._say("--", f"lost {one[0]}>{one[1]} {describe(one[2])}")

    def _do_duplicate(self, words: list[str]) -> None:
        self.stage.mailbox.waiting += self._matching(words)

    def _do_settle(self, words: list[str]) -> None:
        for _ in range(SETTLE_ROUNDS_MAX):
            self._let_happen()
            if not self.stage.mailbox.waiting:
                return
            self._do_deliver([])
        self._say("--", f"still not settled after {SETTLE_ROUNDS_MAX} rounds")

    def _do_waiting(self, words: list[str]) -> None:
        for source, destination, message in self.stage.mailbox.waiting:
            self._say(f"{source}>{destination}", describe(message))

    def _do_cut(self, words: list[str]) -> None:
        names = list(self.stage.nodes)
        pairs: list[Pair] = []
        for word in words:
            one, arrow, other = word.partition(">")
            if arrow:
                pairs.append((one, other))
            else:
                pairs += [pair for name in names if name != one for pair in ((one, name), (name, one))]
        self.stage.network.cut(pairs)

    def _do_heal(self, words: list[str]) -> None:
        self.stage.network.heal()

    def _do_unreachable(self, words: list[str]) -> None:
        self._node(words[0]).unreachable(words[1])

    # --- disks and snapshots ---

    def _do_hold(self, words: list[str]) -> None:
        self._node(words[0]).disk.held = True

    def _do_sync(self, words: list[str]) -> None:
        self._node(words[0]).disk.release(int(words[1]) if len(words) > 1 else None)

    def _do_snapshot(self, words: list[str]) -> None:
        node = self._node(words[0])
        done = node.snapshots.freeze()
        self._say(node.name, f"takes a snapshot at {node.machine.applied}" if done else "has nothing durable to take a snapshot of")

    def _do_stream(self, words: list[str]) -> None:
        transfers, self.stage.transfers = self.stage.transfers, []
        for source, transfer, image in transfers:
            self.stage.finish(source, source.incarnation, transfer, image, False)

    def _do_break(self, words: list[str]) -> None:
        transfers, self.stage.transfers = self.stage.transfers, []
        for source, transfer, image in transfers:
            self.stage.finish(source, source.incarnation, transfer, image, True)

    # --- requests ---

    def _ask(self, name: NodeId, operation: Operation) -> None:
        if not self.stage.request(name, operation):
            self._say(name, "is down")

    def _answer_to(self, label: str) -> Callable[[Operation, Outcome, NodeId | None], None]:
        def settle(operation: Operation, outcome: Outcome, leader: NodeId | None) -> None:
            where = f" at {operation.index}" if operation.index else ""
            self._say(operation.node, f"answers {label}: {outcome.value}{where}" + (f", ask {leader}" if leader else ""))

        return settle

    def _do_propose(self, words: list[str]) -> None:
        self._ask(words[0], Operation("write", self._answer_to(f'"{words[1]}"'), data=words[1].encode()))

    def _do_read(self, words: list[str]) -> None:
        self._ask(words[0], Operation("read", self._answer_to("a read")))

    def _do_lease(self, words: list[str]) -> None:
        self._ask(words[0], Operation("lease", self._answer_to("a lease read")))

    def _do_transfer(self, words: list[str]) -> None:
        self._ask(words[0], Operation("transfer", self._answer_to(f"the transfer to {words[1]}"), to=words[1]))

    def _do_change(self, words: list[str]) -> None:
        name, verb, target, *rest = words
        change: Change
        match verb:
            case "add":
                joining = replace(member(int(target[1:]), voter=False), promote="promote" in rest)
                change = AddLearner(joining)
                if target not in self.stage.nodes:
                    self.stage.start(self.stage.add(joining, Configuration()))
            case "promote":
                change = Promote(target)
            case "remove":
                change = Remove(target)
            case _:
                raise ValueError(f"unknown change: {verb}")
        self._ask(name, Operation("change", self._answer_to(f"{verb} {target}"), change=change))

    # --- what is ---

    def _do_state(self, words: list[str]) -> None:
        for name in words or self.stage.nodes:
            node = self._node(name)
            if node.core is None:
                self._say(name, "down")
                continue
            status = node.core.status
            members = status.configuration
            learners = [one.name for one in members.members if not one.voter]
            self._say(
                name,
                f"{status.role} term={status.term} leader={status.leader or '-'} commit={status.commit} applied={node.machine.applied} "
                f"log={status.first}..{status.last} durable={status.durable} voters={','.join(sorted(members.voters))}"
                + (f" learners={','.join(learners)}" if learners else ""),
            )

    def _do_log(self, words: list[str]) -> None:
        for name in words or self.stage.nodes:
            fold = self._node(name).written
            base = f"snapshot {fold.base}/{fold.snapshot.term} " if fold.snapshot is not None else ""
            self._say(name, base + describe_entries(fold.entries[index] for index in sorted(fold.entries)))
