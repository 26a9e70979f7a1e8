"""Make a failing case small: fewer steps, fewer strikes, fewer clients, fewer nodes, while the same invariant fails.

The rule it keeps: "the same failure" is the same invariant, not the same trace; every candidate is run from its beginning just as the
command that replays it would, so what is handed back fails. Strikes are minimised by ddmin (Zeller & Hildebrandt, "Simplifying and
isolating failure-inducing input", 2002): where the budget allows, none of those that are left can be left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from quorate.protocols.simulation.campaign import SAFETY, Result
from quorate.protocols.simulation.case import Case

# A run takes some 50 ms, and a person waits for half a minute. Most schedules need a quarter of it.
RUNS_MAX = 600

# Where only a later phase fails, nothing tells how many steps were needed: they are halved until this few more or less do not matter.
STEPS_GRAIN = 16

Run = Callable[[Case], Result]
Progress = Callable[[int, Case], None]
"""(runs so far, the smallest case so far)"""


class Holds(ValueError):
    """The case that was to be shrunk breaks no invariant."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest case that was found."""

    case: Case
    result: Result
    runs: int
    minimal: bool
    """No strike can be left out, no fewer steps, clients or nodes were found. False if it ended before that was known."""


class _Spent(Exception):
    """The budget of runs is used up."""


def shrink(case: Case, run: Run, *, runs_max: int = RUNS_MAX, progress: Progress = lambda runs, case: None) -> Shrunk:
    """The smallest case with the failure of this one; `Holds` if it has none. Ctrl-C ends it with the smallest so far."""
    shrinking = _Shrinking(case, run, runs_max, progress)
    try:
        shrinking.go()
        minimal = True
    except (_Spent, KeyboardInterrupt):
        minimal = False
    return Shrunk(shrinking.best, shrinking.result, shrinking.runs, minimal)


class _Shrinking:
    """The smallest case so far, and what was tried."""

    def __init__(self, case: Case, run: Run, runs_max: int, progress: Progress) -> None:
        self._run = run
        self._runs_max = runs_max
        self._progress = progress
        self._tried: dict[Case, Result | None] = {}
        """What was run: the result if it is the same failure."""
        self.runs = 1
        self.result = run(case)
        if self.result.violation is None:
            raise Holds(f"seed {case.seed} breaks no invariant: there is nothing to shrink")
        self._invariant = self.result.violation.invariant
        self._take(case, self.result)
        self._whole = self.best

    def go(self) -> None:
        """Until a whole round makes nothing smaller."""
        before = None
        while before != self.best:
            before = self.best
            self._fewer_steps()
            self._fewer_strikes()
            self._fewer_steps()
            self._fewer_clients()
            self._fewer_nodes()

    def _take(self, case: Case, result: Result) -> None:
        """This is the smallest failing case now. What comes after the event that failed in the safety phase does not matter."""
        self.best = replace(case, steps=result.events) if result.phase == SAFETY else case
        self.result = result
        self._progress(self.runs, self.best)

    def _fails(self, case: Case) -> bool:
        if case not in self._tried:
            if self.runs >= self._runs_max:
                raise _Spent
            self.runs += 1
            result = self._run(case)
            same = result.violation is not None and result.violation.invariant == self._invariant
            self._tried[case] = result if same else None
        failed = self._tried[case]
        if failed is not None:
            self._take(case, failed)
        return failed is not None

    # --- what is made smaller ---

    def _fewer_steps(self) -> None:
        less = 0 if self.result.phase == SAFETY else self.best.steps // 2
        while less >= STEPS_GRAIN:
            shorter = self.best.steps - less
            if not self._fails(replace(self.best, steps=shorter)):
                less //= 2
            less = min(less, self.best.steps // 2)

    def _fewer_strikes(self) -> None:
        kept = [strike.number for strike in self.result.strikes]
        if not kept or self._only([]) or not self._only(kept):
            return
        parts = 2
        while len(kept) > 1:
            found = next((candidate for candidate in candidates(kept, parts) if self._only(candidate[0])), None)
            if found is not None:
                kept, parts = found
            elif parts < len(kept):
                parts = min(2 * parts, len(kept))
            else:
                return

    def _only(self, numbers: list[int]) -> bool:
        return self._fails(replace(self.best, only=frozenset(numbers)))

    def _fewer_clients(self) -> None:
        for clients in range(1, self.result.settings.clients):
            if self._fails(replace(self.best, clients=clients)):
                return

    def _fewer_nodes(self) -> None:
        """With other nodes the same strikes hit others: it may take all of them again, to be minimised in the next round."""
        for nodes in range(1, self.result.settings.nodes):
            if self._fails(replace(self.best, nodes=nodes)) or self._fails(replace(self._whole, nodes=nodes, clients=self.best.clients)):
                return


def candidates(kept: list[int], parts: int) -> Iterator[tuple[list[int], int]]:
    """ddmin: each of the parts alone, to be halved next; then each complement, whose parts stay as they are."""
    cuts = list(pairwise(len(kept) * part // parts for part in range(parts + 1)))
    for first, end in cuts:
        yield kept[first:end], 2
    if parts > 2:  # of two parts, one is the other's complement
        for first, end in cuts:
            yield kept[:first] + kept[end:], parts - 1
