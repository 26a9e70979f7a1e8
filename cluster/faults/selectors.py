"""Who is meant: names, roles and sets of nodes, and the links between them.

A node: `n1`, `leader`, `follower` (all that do not lead), `one-follower`, `random`, `minority`, `majority` (the seed says who), `*`.
A link: `n1>n2`, `leader>*`, `n1,n2>n3`, `*` (all between nodes), `client>n1`, `n1>client`. The rule: roles are asked for once per
transaction, at its beginning; who leads later is another matter.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

from quorate.cluster.faults.network import CLIENT
from quorate.cluster.faults.payloads import Bridge, FaultPayload, Flapping, Halves, Isolate, Minority, OneWay, Ring, Shape, Swizzle
from quorate.cluster.local.probe import status
from quorate.cluster.wire.errors import BadRequest, QuorateError, Unavailable
from quorate.protocols.simulation import shapes
from quorate.protocols.simulation.shapes import Pair, Step

ROLES = ("leader", "follower")
WORDS = (*ROLES, "one-follower", "random", "minority", "majority", "*", CLIENT)
GROUP = "default"
NS_PER_MS = 1_000_000

FindLeader = Callable[[], Awaitable[str | None]]


async def find_leader(clients: Mapping[str, str]) -> str | None:
    """The node that leads in the highest term, by what the nodes say at these client addresses."""

    async def ask(name: str, address: str) -> tuple[int, str] | None:
        try:
            said = await asyncio.to_thread(status, address)
        except QuorateError:
            return None
        group = said.groups.get(GROUP)
        return (group.term, name) if group is not None and group.role == "leader" else None

    answers = await asyncio.gather(*(ask(name, address) for name, address in clients.items() if address))
    return max((answer for answer in answers if answer is not None), default=(0, None))[1]


class Selection:
    """The words of one transaction."""

    def __init__(self, names: Sequence[str], links: Sequence[Pair], seed: int, leader: str | None) -> None:
        self._names, self._links = tuple(names), tuple(links)
        self._leader = leader
        self._shuffled = list(names)
        Random(seed).shuffle(self._shuffled)
        self._seed = seed

    @classmethod
    async def of(
        cls, faults: Sequence[FaultPayload], names: Sequence[str], links: Sequence[Pair], seed: int, find: FindLeader
    ) -> "Selection":
        """Asks who leads only if a word needs it."""
        needed = any(role in fault.model_dump_json(include={"links", "shape"}) for fault in faults for role in ROLES)
        return cls(names, links, seed, await find() if needed else None)

    def nodes(self, word: str) -> list[str]:
        """In the cluster's order."""
        if word in self._names:
            return [word]
        match word:
            case "*":
                return list(self._names)
            case "leader":
                return [self._known_leader()]
            case "follower":
                return [name for name in self._names if name != self._known_leader()]
            case "one-follower":
                return [name for name in self._shuffled if name != self._known_leader()][:1]
            case "random":
                return self._shuffled[:1]
            case "minority" | "majority":
                few = self._minority(self._shuffled)
                return [name for name in self._names if (name in few) == (word == "minority")]
        raise BadRequest(f"no node {word!r}; there are {', '.join(self._names)}, and the words {', '.join(WORDS)}")

    def _minority(self, order: Sequence[str]) -> Sequence[str]:
        return order[: (len(order) - 1) // 2]

    def _known_leader(self) -> str:
        if self._leader is None:
            raise Unavailable("nobody leads now, or no node told; name nodes instead, or wait for an election")
        return self._leader

    def _one(self, word: str) -> str:
        found = self.nodes(word)
        if len(found) != 1:
            raise BadRequest(f"{word!r} means {', '.join(found) or 'nobody'} here, but one node is needed")
        return found[0]

    def _all(self, words: Sequence[str]) -> list[str]:
        return list(dict.fromkeys(name for word in words for name in self.nodes(word)))

    def links(self, text: str) -> list[Pair]:
        """The links that a text like `n1,n2>leader` means."""
        if text == "*":
            text = "*>*"
        left, arrow, right = (part.strip() for part in text.partition(">"))
        if not arrow or not left or not right:
            raise BadRequest(f"a link is written source>destination, for instance n1>n2 or leader>*, not {text!r}")
        if CLIENT in (left, right):
            pairs = [(CLIENT, name) for name in self._all(right.split(","))] if left == CLIENT else []
            pairs += [(name, CLIENT) for name in self._all(left.split(","))] if right == CLIENT and left != CLIENT else []
        else:
            pairs = shapes.one_way(self._all(left.split(",")), self._all(right.split(",")))
        if missing := [pair for pair in pairs if pair not in self._links] or ([(left, right)] if not pairs else []):
            there = ", ".join(f"{source}>{destination}" for source, destination in self._links)
            raise BadRequest(f"no link {missing[0][0]}>{missing[0][1]}; there are: {there}")
        return pairs

    def all_links(self, texts: Sequence[str]) -> list[Pair]:
        return list(dict.fromkeys(pair for text in texts for pair in self.links(text)))

    def shape(self, shape: Shape) -> tuple[list[Pair], list[Step]]:
        """The links of a shape, and when they are cut and healed if it moves."""
        match shape:
            case Isolate(node=node):
                return shapes.isolate(self._names, self._one(node)), []
            case Halves(left=left, right=right):
                one, other = self._all(left), self._all(right)
                if both := [name for name in one if name in other]:
                    raise BadRequest(f"halves: {both[0]} stands on both sides")
                return shapes.halves(one, other), []
            case Minority(node=node):
                first = [self._one(node)] if node else []
                return shapes.minority(first + [name for name in self._shuffled if name not in first]), []
            case OneWay(sources=sources, destinations=destinations):
                return shapes.one_way(self._all(sources), self._all(destinations)), []
            case Bridge(nodes=nodes):
                return shapes.bridge(self._all(nodes) or self._names), []
            case Ring(nodes=nodes):
                return shapes.ring(self._all(nodes) or self._names), []
            case Flapping(links=links, half_period_ms=half_period_ms, count=count):
                pairs = self.all_links(links)
                return pairs, shapes.flapping(pairs, round(half_period_ms * NS_PER_MS), count)
            case Swizzle(links=links, step_ms=step_ms):
                pairs = self.all_links(links)
                return pairs, shapes.swizzle(pairs, round(step_ms * NS_PER_MS), Random(self._seed))
