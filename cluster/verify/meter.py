"""What a check has cost so far. The rule it keeps: whoever works past the budget hears OutOfBudget, and answers UNKNOWN."""

from collections.abc import Callable

from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.verify.verdict import Budget


class OutOfBudget(Exception):
    """The message is a sentence: which budget, how large, and what was being done."""


class Meter:
    """Ask it now and then, say every few thousand steps."""

    def __init__(self, budget: Budget, now_ms: Callable[[], int] | None = None) -> None:
        self._budget = budget
        self._now_ms = now_ms or BootClock().now_ms
        self._start_ms = self._now_ms()

    @property
    def seconds(self) -> float:
        return (self._now_ms() - self._start_ms) / 1000

    def check(self, doing: str, states: int = 0) -> None:
        """OutOfBudget if the time is over, or `states` things at once are more than may be kept."""
        if self.seconds > self._budget.seconds:
            raise OutOfBudget(f"the {self._budget.seconds:g} s were over while {doing}")
        if states > self._budget.states_max:
            raise OutOfBudget(f"{doing} takes {states:,} states at once, more than the {self._budget.states_max:,} allowed")
