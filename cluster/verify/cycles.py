"""Cycles in a graph of dependencies, by class: one short cycle for each knot of each class, the worst classes first.

The rule it keeps: whether a class is present is decided for the whole graph, by strong components; only how
short the shown cycle is may depend on how long one searches. A knot in which a cycle of a worse class, or of the same class with
fewer promises about order, was found already is not shown again: that cycle says more.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from quorate.cluster.verify.graph import (
    KIND_BITS,
    KIND_MASK,
    PROCESS,
    REALTIME,
    RW,
    WR,
    WW,
    Check,
    Graph,
    Kinds,
    components,
    kinds,
    shortest_path,
)
from quorate.cluster.verify.isolation import CLASSES, ORDERS

CYCLES_MAX = 8
"""Cycles shown for each name; the others are counted."""
SEARCH_NODES_MAX = 400_000
"""Nodes visited in one knot for a shorter cycle, once there is one: well below a second."""

G0, G1C, G_SINGLE, G_NONADJACENT, G2 = range(len(CLASSES))
_ORDER_KINDS = (0, kinds(PROCESS), kinds(REALTIME))
"""Process order is part of the real-time order."""
Successors = Callable[[int], list[int]]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Node i precedes node i + 1, the last one the first, by `kinds[i]`."""

    nodes: tuple[int, ...]
    kinds: tuple[int, ...]

    @property
    def rank(self) -> int:
        """Its place in CLASSES."""
        count = self.kinds.count(RW)
        if count == 0:
            return G1C if WR in self.kinds else G0
        if count == 1:
            return G_SINGLE
        adjacent = any(kind == RW and self.kinds[index - 1] == RW for index, kind in enumerate(self.kinds))
        return G2 if adjacent else G_NONADJACENT

    @property
    def order(self) -> int:
        """Its place in ORDERS."""
        return 2 if REALTIME in self.kinds else 1 if PROCESS in self.kinds else 0

    @property
    def name(self) -> str:
        return CLASSES[self.rank] + ORDERS[self.order]


class CycleSearch:
    """`run` once; then `cycles`, and how many more knots of a name there are in `omitted`."""

    def __init__(self, graph: Graph, check: Check) -> None:
        self.cycles: list[Cycle] = []
        self.omitted: dict[str, int] = {}
        self._graph = graph
        self._check = check
        self._alive = bytearray(b"\1") * len(graph.out)
        self._found: list[tuple[int, int, int]] = []
        """(class, order, a word on a cycle of it)."""
        self._shown: dict[str, int] = {}

    def run(self) -> None:
        everything = kinds(WW, WR, RW, REALTIME)
        suspects = [node for knot in self._knots(range(len(self._graph.out)), everything) for node in knot]
        self._alive = bytearray(len(self._graph.out))
        for node in suspects:
            self._alive[node] = 1
        for order, order_kinds in enumerate(_ORDER_KINDS):
            if not suspects:
                return
            depends = kinds(WW, WR) | order_kinds
            self._plain(suspects, kinds(WW) | order_kinds, G0, order)
            self._plain(suspects, depends, G1C, order)
            self._nonadjacent(suspects, depends | kinds(RW), order)
            self._plain(suspects, depends | kinds(RW), G2, order)

    # One class each

    def _plain(self, suspects: list[int], allowed: Kinds, rank: int, order: int) -> None:
        for knot in self._knots(suspects, allowed):
            inside = self._inside(set(knot), allowed)
            if not self._covered(rank, order, {node << 1 for node in knot}):
                searches = ((inside(node), node) for node in knot if node < self._graph.size)
                self._show(rank, order, knot[0] << 1, self._shortest(searches, inside, self._graph.size), allowed)

    def _nonadjacent(self, suspects: list[int], allowed: Kinds, order: int) -> None:
        """G-single too: the cycle that is found says itself which of the two it is."""
        graph, alive = self._graph, self._alive

        def successors(word: int) -> list[int]:
            return [target for target in graph.word_successors(word, allowed) if alive[target >> 1]]

        words = [word for node in suspects for word in (node << 1, node << 1 | 1)]
        for knot in components(words, len(alive) * 2, successors, self._check):
            members = set(knot)
            if len(knot) == 1 or self._covered(G_NONADJACENT, order, members):
                continue

            def inside(word: int, members: set[int] = members) -> list[int]:
                return [target for target in successors(word) if target in members]

            begin = [word for word in knot if word >> 1 < graph.size and not word & 1]
            searches = (([target for target in inside(word) if target & 1], word) for word in begin)
            self._show(G_NONADJACENT, order, knot[0], self._shortest(searches, inside, graph.size * 2), allowed)

    # What they share

    def _knots(self, nodes: Iterable[int], allowed: Kinds) -> Iterator[list[int]]:
        inside = self._inside(None, allowed)
        return (knot for knot in components(nodes, len(self._graph.out), inside, self._check) if len(knot) > 1)

    def _inside(self, members: set[int] | None, allowed: Kinds) -> Successors:
        """Successors within `members`, or within all that is still suspected."""
        successors, alive = self._graph.successors, self._alive
        if members is None:
            return lambda node: [target for target in successors(node, allowed) if alive[target]]
        return lambda node: [target for target in successors(node, allowed) if target in members]

    def _covered(self, rank: int, order: int, words: set[int]) -> bool:
        return any(other <= rank and kept <= order and word in words for other, kept, word in self._found)

    def _shortest(self, searches: Iterable[tuple[list[int], int]], inside: Successors, free_from: int) -> list[int]:
        """The shortest closed walk that a search from `starts` to `goal` finds: the goal first, then what leads back to it."""
        best: list[int] = []
        length, visited = len(self._graph.out) * 2, 0
        for starts, goal in searches:
            path, nodes = shortest_path(starts, goal, free_from, inside, length - 1)
            visited += nodes
            if path:
                best, length = [goal, *path[:-1]], sum(node < free_from for node in path)
            if length == 2 or (best and visited > SEARCH_NODES_MAX):
                break
            self._check("looking for a shorter cycle")
        return best

    def _show(self, rank: int, order: int, word: int, walk: list[int], allowed: Kinds) -> None:
        name = CLASSES[rank] + ORDERS[order]
        self._found.append((rank, order, word))
        assert walk, f"{name} without a cycle"
        if rank == G_NONADJACENT:
            steps = _untangled([(word >> 1, bool(word & 1)) for word in walk])
        else:
            steps = [(node, False) for node in walk]
        cycle = self._cycle(steps, allowed)
        if self._shown.get(cycle.name, 0) >= CYCLES_MAX:
            self.omitted[cycle.name] = self.omitted.get(cycle.name, 0) + 1
            return
        self._shown[cycle.name] = self._shown.get(cycle.name, 0) + 1
        self.cycles.append(cycle)

    def _cycle(self, steps: list[tuple[int, bool]], allowed: Kinds) -> Cycle:
        """Real nodes and the kinds between them, of (node, whether the step into it is by RW)."""
        nodes, chosen = [], []
        for (node, _), (after, by_rw) in zip(steps, steps[1:] + steps[:1]):
            if node < self._graph.size:
                between = {code & KIND_MASK for code in self._graph.out[node] if code >> KIND_BITS == after}
                between = {RW} if by_rw else {kind for kind in between if allowed >> kind & 1}
                nodes.append(node)
                chosen.append(min(between, key=lambda kind: (kind == RW, kind)))
        return Cycle(tuple(nodes), tuple(chosen))


def _untangled(walk: list[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """A closed walk of (node, came by RW) without two RW in a row, cut down to a part that meets no node twice.

    Such a walk meets a node at most once by RW and once otherwise; what lies between the former and the latter is closed too,
    and at its seam comes back by another kind than RW.
    """
    index = 0
    place: dict[int, int] = {}
    while index < len(walk):
        node, by_rw = walk[index]
        if node in place:
            first = place[node]
            walk = walk[index + 1 :] + walk[: first + 1] if by_rw else walk[first + 1 : index + 1]
            index, place = 0, {}
        else:
            place[node] = index
            index += 1
    return walk
