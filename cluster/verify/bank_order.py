"""Is there an order of transfers and reads, in real time, in which every read shows what the transfers before it had left?

The rule it keeps: transfers commute, so between two reads only their set matters, and a set whose sum is zero may as well come
later. So the search goes from read to read. A gap takes what must come before the next read (transfers that had returned when it
was called, and what had returned before another of the gap was called), and the smallest sets of those under way, or of unknown
outcome, that make up the rest of the difference. Without a recursion, and without a second look at what was tried: a state is
the set of reads and transfers passed, and the balances are those of the last read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.meter import Meter, OutOfBudget

SETS_MAX = 4_000
"""Sets of transfers looked at in one gap, some ten milliseconds; then the search goes on elsewhere, and can no longer say no."""

Vector = tuple[int, ...]
NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Transfer:
    operation: Operation
    change: Vector

    @property
    def returned(self) -> int:
        """An unknown one never has to have happened."""
        operation = self.operation
        return operation.returned if operation.outcome is Outcome.OK and operation.returned is not None else NEVER


@dataclass(frozen=True, slots=True)
class Read:
    operation: Operation
    balances: Vector

    @property
    def returned(self) -> int:
        return self.operation.returned or 0


@dataclass(slots=True)
class State:
    """What has been passed, as bits, and what the accounts hold then."""

    reads: int
    transfers: int
    balances: Vector
    last: Read | None


class OrderSearch:
    """`run` tells whether there is an order; if not, `stuck` is the furthest that one comes."""

    def __init__(self, opening: Vector, transfers: Sequence[Transfer], reads: Sequence[Read], meter: Meter) -> None:
        self._reads = sorted(reads, key=lambda read: read.operation.called)
        known = sorted((t for t in transfers if t.returned != NEVER), key=lambda transfer: transfer.operation.called)
        self._known_count = len(known)
        self._transfers = known + sorted((t for t in transfers if t.returned == NEVER), key=lambda transfer: transfer.operation.called)
        self._meter = meter
        self._seen: set[tuple[int, int]] = set()
        self._left_out = ""
        """Why not all choices of some gap were tried."""
        self.stuck = State(0, 0, opening, None)

    @property
    def states(self) -> int:
        return len(self._seen)

    def run(self) -> bool:
        """OutOfBudget if it cannot tell."""
        everything = (1 << len(self._reads)) - 1
        state = self.stuck
        best = 0
        path = [self._after(state)]
        while state.reads != everything:
            self._meter.check("looking for an order of transfers and reads", len(self._seen))
            following = next(path[-1], None)
            if following is None:
                path.pop()
                if not path and self._left_out:
                    raise OutOfBudget(self._left_out)
                if not path:
                    return False
                continue
            if (following.reads, following.transfers) in self._seen:
                continue
            self._seen.add((following.reads, following.transfers))
            state = following
            if len(path) > best:
                best, self.stuck = len(path), state
            path.append(self._after(state))
        return True

    def next_reads(self, state: State) -> list[Read]:
        """Those that may come next, the first to return first: none that is left had returned when they were called."""
        reads, end = [], NEVER
        for index in range(_first_clear(state.reads), len(self._reads)):
            read = self._reads[index]
            if read.operation.called > end:
                break
            if not state.reads >> index & 1:
                reads.append(read)
                end = min(end, read.returned)
        return sorted(reads, key=lambda read: read.returned)

    def under_way(self, state: State, before: int) -> list[int]:
        """Transfers not passed yet that were called before that position."""
        found = []
        for start, stop in ((_first_clear(state.transfers), self._known_count), (self._known_count, len(self._transfers))):
            for index in range(start, stop):
                if self._transfers[index].operation.called > before:
                    break
                if not state.transfers >> index & 1:
                    found.append(index)
        return found

    def transfers_at(self, indices: Sequence[int]) -> list[Operation]:
        return [self._transfers[index].operation for index in indices]

    def _after(self, state: State) -> Iterator[State]:
        reads = self.next_reads(state)
        candidates = self.under_way(state, min((read.returned for read in reads), default=NEVER))
        gaps = []
        for read in reads:
            needed = frozenset(index for index in candidates if self._transfers[index].returned < read.operation.called)
            wanted = tuple(after - before for after, before in zip(read.balances, state.balances))
            gaps.append((read, needed, wanted))
            if not needed and not any(wanted):
                gaps = gaps[-1:]  # it fits as things are: if there is an order, there is one with it here
                break
        for read, needed, wanted in gaps:
            place = self._place(read, state)
            for chosen in self._sets(wanted, candidates, needed):
                transfers = state.transfers
                for index in chosen:
                    transfers |= 1 << index
                yield State(state.reads | 1 << place, transfers, read.balances, read)

    def _place(self, read: Read, state: State) -> int:
        index = _first_clear(state.reads)
        while self._reads[index] is not read:
            index += 1
        return index

    def _sets(self, wanted: Vector, candidates: list[int], needed: frozenset[int]) -> Iterator[frozenset[int]]:
        """Sets of candidates with these in them that change the accounts as wanted, the smaller first."""
        sets = [self._closed(needed, candidates)]
        seen = set(sets)
        for chosen in sets:  # grows while it is walked
            rest = list(wanted)
            for index in chosen:
                for account, change in enumerate(self._transfers[index].change):
                    rest[account] -= change
            if not any(rest):
                yield chosen
                continue
            touching = self._touching(rest, [index for index in candidates if index not in chosen])
            for index in touching:
                larger = self._closed(chosen | {index}, candidates)
                if larger not in seen:
                    seen.add(larger)
                    sets.append(larger)
            if len(sets) > SETS_MAX:
                self._left_out = f"{len(candidates)} transfers under way at once, or unknown, leave too many choices"
                return

    def _touching(self, rest: list[int], left: list[int]) -> list[int]:
        """Of the account with the fewest choices: every set that makes up the rest has one of these. None if there is no such set."""
        choices: list[list[int]] = [[] for _ in rest]
        gains, losses = [0] * len(rest), [0] * len(rest)
        for index in left:
            for account, change in enumerate(self._transfers[index].change):
                if change > 0:
                    gains[account] += change
                    choices[account].append(index)
                elif change < 0:
                    losses[account] += change
                    choices[account].append(index)
        if any(not losses[account] <= wanted <= gains[account] for account, wanted in enumerate(rest)):
            return []
        return min((choices[account] for account, wanted in enumerate(rest) if wanted), key=len)

    def _closed(self, chosen: frozenset[int], candidates: list[int]) -> frozenset[int]:
        """With all that had returned before one of these was called."""
        latest = max((self._transfers[index].operation.called for index in chosen), default=-1)
        return chosen.union(index for index in candidates if self._transfers[index].returned < latest)


def _first_clear(bits: int) -> int:
    return (~bits & (bits + 1)).bit_length() - 1
