"""Reads a scenario: blocks of commands, each followed by the output that it must give.

The rule it keeps: nothing happens by itself. No clock runs, no message arrives and no snapshot is streamed unless a command says so;
only disks sync at once, unless told otherwise. All invariants are checked all the time; a broken one is a line that begins with
VIOLATION. docs/scenarios.md says how to write one, and lists the verbs of the modules beside this one.
"""

from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.ledger import Violation
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.scenario import disks, links, looking, processes, requests
from quorate.protocols.simulation.scenario.language import VERBS, Mistake, Unmet, Words, verb
from quorate.protocols.simulation.scenario.scene import Scene

RULE = "----"

TOLD = ("*", "answers", "stops:")
"""The second words of the lines that `quietly` leaves."""

MODULES = (processes, links, disks, requests, looking)
"""Importing them is what fills VERBS."""


class ScenarioError(ValueError):
    """A scenario that cannot be played, or in which an expectation failed: file, line and what is known."""


class Scenario:
    """Interprets one file. `node_class` lets a test take one safeguard out of the driver."""

    def __init__(self, engine: Engine, node_class: type[Node] = Node) -> None:
        self._scene = Scene(engine, node_class)

    def run(self, text: str, file: str = "scenario") -> str:
        """The same file with the output that its commands really give. `file` is named in errors."""
        out: list[str] = []
        block: list[tuple[str, str]] = []
        skipping = False
        for number, line in enumerate(text.splitlines(), 1):
            if line == RULE:
                out.append(RULE)
                out += self._block(block)
                block, skipping = [], True
            elif not line:
                skipping = False
                out.append(line)
            elif not skipping:
                out.append(line)
                if not line.startswith("#"):
                    block.append((f"{file}:{number}", line))
        if block:
            where, command = block[-1]
            raise ScenarioError(f"{where}: no line {RULE} after: {command}")
        return "\n".join(out) + "\n"

    def _block(self, commands: list[tuple[str, str]]) -> list[str]:
        shown: list[str] = []
        for where, command in commands:
            try:
                carry_out(self._scene, command.split())
            except Mistake as mistake:
                usage = f"; usage: {mistake.usage}" if mistake.usage else ""
                raise ScenarioError(f"{where}: {mistake}, in: {command}{usage}") from None
            except Unmet as unmet:
                raise ScenarioError(f"{where}: {command}: {unmet}") from None
            except Violation as violation:
                self._scene.say("VIOLATION", f"{violation.invariant}: {violation.detail}")
            shown += self._scene.stage.trace.lines
            self._scene.stage.trace.lines.clear()
        return shown or ["ok"]


def carry_out(scene: Scene, command: list[str]) -> None:
    """One command, and what it lets the disks do."""
    name, *rest = command
    found = VERBS.get(name)
    if found is None:
        raise Mistake(f"unknown command; there are {' '.join(sorted(VERBS))}")
    words = Words(scene.nodes, rest)
    try:
        found.act(scene, words)
        words.end()
    except Mistake as mistake:
        mistake.usage = mistake.usage or found.usage
        raise
    scene.let_happen()


@verb("quietly COMMAND")
def quietly(scene: Scene, words: Words) -> None:
    """COMMAND is carried out, and only notes, answers and replicas that stop are printed."""
    lines = scene.stage.trace.lines
    before = len(lines)
    carry_out(scene, [words.word("the command"), *words.rest()])
    lines[before:] = [line for line in lines[before:] if line.split()[1] in TOLD]
