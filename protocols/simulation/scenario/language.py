"""What a verb of the scenario language is, and how it reads its words.

The rule it keeps: a word that is wrong is a Mistake that names it and what would be right; nobody has to guess from a traceback.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quorate.protocols.core import NodeId
from quorate.protocols.simulation.node import Node
from quorate.protocols.simulation.shapes import Pair

if TYPE_CHECKING:
    from quorate.protocols.simulation.scenario.scene import Scene


class Mistake(ValueError):
    """A command that cannot be carried out. The interpreter adds its usage, file and line."""

    usage = ""


class Unmet(ValueError):
    """An expectation that does not hold. It is an error and not output, so that no rewriting of a file can accept it."""


Act = Callable[["Scene", "Words"], None]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command of the language."""

    name: str
    usage: str
    meaning: str
    act: Act


VERBS: dict[str, Verb] = {}
"""By name. Filled by the modules of verbs when they are imported."""


def verb(usage: str) -> Callable[[Act], Act]:
    """Make a verb of a function: the first word of its usage is its name, the docstring its meaning."""

    def register(act: Act) -> Act:
        name = usage.split()[0]
        assert act.__doc__ and name not in VERBS, name
        VERBS[name] = Verb(name, usage, " ".join(act.__doc__.split()), act)
        return act

    return register


class Words:
    """What follows the verb in one command, taken from the left."""

    def __init__(self, nodes: dict[NodeId, Node], words: list[str]) -> None:
        self._nodes = nodes
        self._left = words

    @property
    def more(self) -> bool:
        return bool(self._left)

    def word(self, what: str) -> str:
        """The next word, whatever it is."""
        if not self._left:
            raise Mistake(f"{what} is missing")
        return self._left.pop(0)

    def rest(self) -> list[str]:
        rest, self._left = self._left, []
        return rest

    def number(self, what: str, *, otherwise: int | None = None, least: int = 0) -> int:
        """The next word as a whole number; `otherwise` if there is none."""
        if not self._left and otherwise is not None:
            return otherwise
        return number(self.word(what), what, least)

    def one_of(self, what: str, known: tuple[str, ...]) -> str:
        word = self.word(what)
        if word not in known:
            raise Mistake(f"{what} is {' or '.join(known)}, not {word!r}")
        return word

    def known(self, name: NodeId) -> NodeId:
        """A name that must be a node's."""
        if name not in self._nodes:
            raise Mistake(f"there is no node {name!r}; there are {' '.join(self._nodes)}")
        return name

    def node(self) -> Node:
        return self._nodes[self.known(self.word("the node"))]

    def running(self) -> Node:
        """The next word as a node that is not down."""
        node = self.node()
        if node.core is None:
            raise Mistake(f"{node.name} is down")
        return node

    def names(self) -> list[NodeId]:
        """The other words as nodes; all nodes if there are none."""
        return [self.known(name) for name in self.rest()] or list(self._nodes)

    def pairs(self) -> list[Pair]:
        """The other words as links: `n1>n2` is one direction, `n1>` all from n1, `>n1` all to it, `n1` all of it both ways."""
        found: list[Pair] = []
        for word in self.rest():
            source, arrow, destination = word.partition(">")
            for name in (source, destination):
                if name:
                    self.known(name)
            if not source and not destination:
                raise Mistake(f"a link is n1>n2, n1>, >n1 or n1, not {word!r}")
            every = [(one, other) for one in self._nodes for other in self._nodes if one != other]
            if arrow:
                found += [pair for pair in every if pair[0] == (source or pair[0]) and pair[1] == (destination or pair[1])]
            else:
                found += [pair for pair in every if source in pair]
        return found

    def end(self) -> None:
        """There must be nothing left."""
        if self._left:
            raise Mistake(f"{' '.join(self._left)!r} is too much")


def number(word: str, what: str, least: int = 0) -> int:
    try:
        value = int(word)
    except ValueError:
        raise Mistake(f"{what} is a whole number, not {word!r}") from None
    if value < least:
        raise Mistake(f"{what} is at least {least}, not {value}")
    return value
