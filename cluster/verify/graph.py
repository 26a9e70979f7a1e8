"""Directed graphs whose edges have kinds: strong components and shortest cycles, without recursion.

The rule it keeps: linear time and memory. What would need many edges (every transaction that returned before others were
called) goes through *way stations*: nodes beyond `size` that stand for nobody. An edge into a station has the kind of the
whole relation; what leads on from there belongs to it and costs no length.

A *word* is a position in walks in which no two edges of kind `RW` may follow each other: node * 2 + (came by RW).
Tarjan 1972 for the components; 0-1 breadth-first search for the cycles.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

WW, WR, RW, PROCESS, REALTIME, ONWARD = range(6)
"""ONWARD leads out of a station; it may be followed always, for only the station's own kind leads into it."""
KIND_BITS = 3
KIND_MASK = (1 << KIND_BITS) - 1
CHECK_EVERY = 4_096
"""Nodes between two looks at the budget."""

Kinds = int
"""A set of kinds as bits."""
Check = Callable[[str], None]


def kinds(*members: int) -> Kinds:
    return sum(1 << kind for kind in members) | 1 << ONWARD


class Graph:
    """`size` real nodes, then stations. An edge is target << KIND_BITS | kind in its source's list."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.out: list[list[int]] = [[] for _ in range(size)]
        self.edge_count = 0

    def __repr__(self) -> str:
        return f"<Graph {self.size} nodes, {len(self.out) - self.size} stations, {self.edge_count} edges>"

    def station(self) -> int:
        self.out.append([])
        return len(self.out) - 1

    def add(self, source: int, kind: int, target: int) -> None:
        assert source != target, source
        self.out[source].append(target << KIND_BITS | kind)
        self.edge_count += 1

    def successors(self, node: int, allowed: Kinds) -> list[int]:
        return [code >> KIND_BITS for code in self.out[node] if allowed >> (code & KIND_MASK) & 1]

    def word_successors(self, word: int, allowed: Kinds) -> list[int]:
        """From a station one goes on as one came; from a node that was reached by RW, by anything but RW."""
        node, after_rw = word >> 1, word & 1
        if node >= self.size:
            return [code >> KIND_BITS << 1 | after_rw for code in self.out[node]]
        if after_rw:
            allowed &= ~(1 << RW)
        return [code >> KIND_BITS << 1 | (code & KIND_MASK == RW) for code in self.out[node] if allowed >> (code & KIND_MASK) & 1]


def components(nodes: Iterable[int], limit: int, successors: Callable[[int], Sequence[int]], check: Check) -> Iterator[list[int]]:
    """The strong components of what is reachable from `nodes` (all below `limit`), each after all that it reaches."""
    number = [0] * limit
    """0: not visited; else order of the visit from 1, lowered to the earliest node known to be reachable; `done` when settled."""
    done = limit + 1
    visited = 0
    stack: list[int] = []
    for root in nodes:
        if number[root]:
            continue
        visited += 1
        number[root] = visited
        stack.append(root)
        path = [(root, visited, iter(successors(root)))]
        while path:
            node, first, todo = path[-1]
            low = number[node]
            for target in todo:
                seen = number[target]
                if not seen:
                    visited += 1
                    if visited % CHECK_EVERY == 0:
                        check("looking for cycles")
                    number[node] = low
                    number[target] = visited
                    stack.append(target)
                    path.append((target, visited, iter(successors(target))))
                    break
                if seen < low:
                    low = seen
            else:
                path.pop()
                if low < first:
                    number[node] = low
                    parent = path[-1][0]
                    if low < number[parent]:
                        number[parent] = low
                    continue
                position = len(stack) - 1
                while stack[position] != node:
                    position -= 1
                component = stack[position:]
                del stack[position:]
                for member in component:
                    number[member] = done
                yield component


def shortest_path(
    starts: Iterable[int], goal: int, free_from: int, successors: Callable[[int], Sequence[int]], longest: int
) -> tuple[list[int], int]:
    """(the shortest path from one of `starts` to `goal`, both included, or [] if it would be longer than `longest`; nodes
    visited). Positions from `free_from` on are stations and cost nothing; a start costs as any other step does."""
    came: dict[int, int] = {}
    queue: deque[tuple[int, int, int]] = deque()
    for start in starts:
        cost = 0 if start >= free_from else 1
        (queue.append if cost else queue.appendleft)((cost, start, -1))
    while queue:
        length, node, before = queue.popleft()
        if node in came:
            continue
        came[node] = before
        if node == goal:
            path = [node]
            while (node := came[node]) >= 0:
                path.append(node)
            return path[::-1], len(came)
        for target in successors(node):
            if target in came:
                continue
            if target >= free_from:
                queue.appendleft((length, target, node))
            elif length < longest:
                queue.append((length + 1, target, node))
    return [], len(came)
