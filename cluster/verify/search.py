"""The search for a linearization of one partition. Wing and Gong (1993), with Lowe's list, cache and partitions (2017).

Calls and returns stand in one doubly linked list, in the order of time. From the head up to the first return stand the
operations that could be next; one that fits the state is lifted out with its return, and the search starts again at the head.
At a return nothing fitted: the last one is put back, and the walk goes on behind it. When all that returned are lifted there
is an order. A set of lifted operations with a state that was seen before is not entered again.

What is added to it here:
- Operations of unknown outcome are not in the list: none has to be lifted. They are tried last, where all else fails, and
  only if they change the state. Of two that are alike the earlier goes first.
- Of two ways to the same lifted operations and state, the one that used fewer of the unknown ones can do all that the other can.
- A read that fits and tells nothing new is lifted for good: if there is an order, there is one with it here.
- A model may say that an operation does not fit and never will: revisions and tokens only grow.
- The set of lifted operations is kept as (how many of the first have gone, bits of the others), so a state costs the same
  in a long history as in a short one.
"""

from collections.abc import Hashable, Iterator, Sequence
from itertools import pairwise

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.models.model import NEVER, Model, Undecided

STEPS_PER_TURN = 4096
"""A turn of one partition takes some milliseconds, so that every one has its turn soon."""


class Frame:
    """One operation of the order so far, and how the search stood before it."""

    __slots__ = ("bits", "is_final", "is_unknown", "low", "number", "parent", "state", "used")

    def __init__(self, search: "Search", number: int, *, is_unknown: bool, is_final: bool) -> None:
        self.parent = search.top
        self.number = number
        """Position among the operations of its kind, known or unknown."""
        self.is_unknown = is_unknown
        self.is_final = is_final
        """Nothing need be tried in its place."""
        self.state, self.low, self.bits, self.used = search.state, search.low, search.bits, search.used


class Search:
    """Operations in the order of their invocations, none of them failed. Exhaust `run`, or drop it; then ask `linearizable`."""

    def __init__(self, model: Model, operations: Sequence[Operation], initial: Hashable) -> None:
        self.linearizable: bool | None = None
        """None until it is known, and for good if `undecided` says why."""
        self.undecided = ""
        self.is_over = False
        self.steps = 0
        self.seen_count = 0
        """States kept: what the memory goes to."""
        self.stuck_at = -1
        """The last return that nothing got past: what was invoked after it plays no part in a failure."""
        self.known = [operation for operation in operations if operation.outcome is Outcome.OK]
        self.unknown = [operation for operation in operations if operation.outcome is Outcome.UNKNOWN]
        self._step = model.step
        self._is_read = [model.is_read(operation) for operation in self.known]
        self._twins = _twins(self.unknown)
        self._head = 2 * len(self.known)
        self._following, self._preceding = _linked(self.known)
        self._seen: dict[tuple[int, int, Hashable], int | tuple[int, ...]] = {}
        # Where the search stands: the state, the lifted operations, and what to try next.
        self.top: Frame | None = None
        self.state = initial
        self.low, self.bits, self.used = 0, 0, 0
        self._lifted = 0
        self._entry, self._candidate = self._following[self._head], 0
        self._best: tuple[int, Frame | None] = (0, None)

    def run(self) -> Iterator[None]:
        """Search, and pause after every STEPS_PER_TURN steps of the model."""
        operations, following, step = self.known, self._following, self._step
        pause = STEPS_PER_TURN
        while self._lifted < len(operations):
            if self.steps >= pause:
                pause = self.steps + STEPS_PER_TURN
                yield
            state, entry = self.state, self._entry
            moved = hopeless = False
            steps = 0
            while not entry & 1:
                steps += 1
                fits, reached = step(state, operations[entry >> 1])
                if fits:
                    moved = self._lift(entry, reached)
                    # A read could be lifted here for good, and what comes of that is known: nothing.
                    hopeless = not moved and reached is state and self._is_read[entry >> 1]
                    if moved or hopeless:
                        break
                elif reached is NEVER:
                    hopeless = True
                    self.stuck_at = max(self.stuck_at, operations[entry >> 1].returned or 0)
                    break
                entry = following[entry]
            self.steps += steps
            if moved or (not hopeless and self._lift_unknown(entry)):
                continue
            if not self._put_back():
                self.linearizable, self.is_over = None if self.undecided else False, True
                return
        self._best = (self._lifted, self.top)
        self.linearizable = self.is_over = True

    def best(self) -> list[Operation]:
        """The longest order that was found: as many as possible of the operations that returned."""
        order: list[Operation] = []
        frame = self._best[1]
        while frame is not None:
            order.append((self.unknown if frame.is_unknown else self.known)[frame.number])
            frame = frame.parent
        return order[::-1]

    def _lift(self, entry: int, reached: Hashable) -> bool:
        """Take an operation that fits as the next one, unless that was seen."""
        number = entry >> 1
        bits, low = self.bits | 1 << (number - self.low), self.low
        if bits & 1:
            gone = (bits ^ (bits + 1)).bit_length() - 1
            low, bits = low + gone, bits >> gone
        if not self._is_new((low, bits, reached), self.used):
            return False
        self.top = Frame(self, number, is_unknown=False, is_final=self._is_read[number] and reached is self.state)
        self.state, self.low, self.bits = reached, low, bits
        self._lifted += 1
        following, preceding = self._following, self._preceding
        for node in (entry, entry + 1):
            before, after = preceding[node], following[node]
            following[before], preceding[after] = after, before
        self._entry, self._candidate = following[self._head], 0
        return True

    def _lift_unknown(self, entry: int) -> bool:
        """Where nothing fits before the return `entry`: let one of unknown outcome take effect, if that changes something."""
        limit = self.known[entry >> 1].returned
        assert limit is not None, self.known[entry >> 1]
        self.stuck_at = max(self.stuck_at, limit)
        used = self.used
        for candidate in range(self._candidate, len(self.unknown)):
            operation, twin = self.unknown[candidate], self._twins[candidate]
            if operation.called > limit:
                break
            if used >> candidate & 1 or (twin >= 0 and not used >> twin & 1):
                continue
            self.steps += 1
            try:
                fits, reached = self._step(self.state, operation)
            except Undecided as undecided:
                self.undecided = str(undecided)
                continue
            now_used = used | 1 << candidate
            if fits and reached != self.state and self._is_new((self.low, self.bits, reached), now_used):
                self.top = Frame(self, candidate, is_unknown=True, is_final=False)
                self.state, self.used = reached, now_used
                self._entry, self._candidate = self._following[self._head], 0
                return True
        return False

    def _put_back(self) -> bool:
        """Undo the last operation that leaves a choice, and go on behind it. False where there is none."""
        if self._lifted > self._best[0]:
            self._best = (self._lifted, self.top)
        while (frame := self.top) is not None:
            self.top = frame.parent
            self.state, self.low, self.bits, self.used = frame.state, frame.low, frame.bits, frame.used
            if frame.is_unknown:
                self._candidate = frame.number + 1
                self._entry = self._following[self._head]
                while not self._entry & 1:
                    self._entry = self._following[self._entry]
                return True
            self._lifted -= 1
            entry = 2 * frame.number
            following, preceding = self._following, self._preceding
            for node in (entry + 1, entry):
                following[preceding[node]] = preceding[following[node]] = node
            if not frame.is_final:
                self._entry, self._candidate = following[entry], 0
                return True
        return False

    def _is_new(self, key: tuple[int, int, Hashable], used: int) -> bool:
        """Remember that `key` was reached with these unknown operations, unless it was with some or all of them."""
        before = self._seen.get(key)
        if before is None:
            self._seen[key] = used
        elif isinstance(before, int):
            if before & used == before:
                return False
            self._seen[key] = used if before & used == used else (before, used)
        else:
            if any(fewer & used == fewer for fewer in before):
                return False
            self._seen[key] = (*(other for other in before if other & used != used), used)
        self.seen_count += 1
        return True


def _linked(operations: Sequence[Operation]) -> tuple[list[int], list[int]]:
    """The doubly linked list: node 2i is the call of operation i, 2i + 1 its return; then the head and the end."""
    times = [(operation.called, 2 * number) for number, operation in enumerate(operations)]
    times += [(operation.returned or 0, 2 * number + 1) for number, operation in enumerate(operations)]
    head = len(times)
    order = [head, *(node for _, node in sorted(times)), head + 1]
    following, preceding = [head + 1] * (head + 2), [head] * (head + 2)
    for node, after in pairwise(order):
        following[node], preceding[after] = after, node
    return following, preceding


def _twins(unknown: Sequence[Operation]) -> list[int]:
    """For each operation the one before it that does the same, or -1."""
    latest: dict[tuple[object, ...], int] = {}
    twins = []
    for number, operation in enumerate(unknown):
        does = (operation.function, operation.key, operation.argument)
        twins.append(latest.get(does, -1))
        latest[does] = number
    return twins
