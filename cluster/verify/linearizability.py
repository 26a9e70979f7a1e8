"""Is there one order of all operations that explains every answer, and in which none comes before another that had returned?

Herlihy and Wing (1990). A history is cut into partitions that have nothing to do with each other; their searches take turns,
so that one that is hard does not hide a violation in another that is easy. The rules: a violation anywhere makes the history
INVALID, whatever the others cost; without one, a partition that was not finished makes it UNKNOWN, with the budget that ran
out and the key; VALID only if all were finished.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.verify.events import BadHistory
from quorate.cluster.verify.explanation import NAME, explain
from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.cluster.verify.models.model import Hint, Key, Model
from quorate.cluster.verify.search import Search
from quorate.cluster.verify.verdict import Answer, Budget, Finding, Verdict

KEYS_NAMED_MAX = 5
"""So many open keys are named in the reason; the rest are counted."""


def check_linearizable(history: History, model: Model, budget: Budget | None = None, *, now_ms: Callable[[], int] | None = None) -> Verdict:
    """The verdict of one model. BadHistory for an operation that it does not know or cannot read."""
    return _Check(history, model, budget or Budget(), now_ms or BootClock().now_ms).verdict()


@dataclass(slots=True)
class _Partition:
    key: Key
    operations: list[Operation]
    """All of it, failed ones and reads without an answer too."""
    search: Search
    turns: Iterator[None]


class _Check:
    """One check under way."""

    def __init__(self, history: History, model: Model, budget: Budget, now_ms: Callable[[], int]) -> None:
        self._history = history
        self._model = model
        self._budget = budget
        self._now_ms = now_ms
        self._started_ms = now_ms()
        self._valid_count = 0
        self._steps = 0
        self._states_max = 0
        self._open: list[tuple[Key, str]] = []
        """Partitions that were given up, and why."""

    def verdict(self) -> Verdict:
        for operation in self._history.operations:
            self._check(operation)
        try:
            waiting = deque(self._partitions())
        except ValueError as error:
            raise BadHistory(self._history.source, 1, str(error)) from None
        count = len(waiting)
        contradiction = self._model.across(self._history.operations)
        if contradiction is not None:
            return self._contradicted(contradiction, count)
        kept = 0
        while waiting:
            partition = waiting.popleft()
            search = partition.search
            steps, states = search.steps, search.seen_count
            reason = self._turn(partition)
            self._steps += search.steps - steps
            kept += search.seen_count - states
            self._states_max = max(self._states_max, kept)
            if search.linearizable is False:
                return self._invalid(partition, count)
            if search.linearizable:
                self._valid_count += 1
                kept -= search.seen_count
                continue
            if reason:
                self._open.append((partition.key, reason))
                kept -= search.seen_count
                continue
            waiting.append(partition)
            if kept > self._budget.states_max:
                # The largest goes: the others may still find something, and need the room.
                largest = max(waiting, key=lambda partition: partition.search.seen_count)
                waiting.remove(largest)
                kept -= largest.search.seen_count
                self._open.append((largest.key, f"memory: more than {self._budget.states_max:,} states at once"))
            if self._now_ms() - self._started_ms > self._budget.seconds * 1000:
                self._open += [(partition.key, f"time: {self._budget.seconds:g} s") for partition in waiting]
                break
        if self._open:
            return self._unknown(count)
        return self._verdict(Answer.VALID, f"{self._counted(count)}: there is an order that explains every answer", count)

    def _check(self, operation: Operation) -> None:
        """BadHistory, naming the functions that there are, or saying what is wrong with an argument or a result."""
        model, source = self._model, self._history.source
        if operation.function not in model.functions:
            known = "; ".join(f"{name} ({words})" for name, words in model.functions.items())
            raise BadHistory(source, operation.line, f"the model {model.name} does not know {operation.function!r}; it knows {known}")
        try:
            model.check(operation)
        except ValueError as error:
            raise BadHistory(source, operation.line, str(error)) from None

    def _partitions(self) -> Iterator[_Partition]:
        for key, operations in self._model.partition(self._history.operations):
            search = Search(self._model, _effective(self._model, operations), self._model.initial(operations, self._history.facts))
            yield _Partition(key, list(operations), search, search.run())

    def _turn(self, partition: _Partition) -> str:
        """Let one search go on for a while. Why it cannot be finished, or nothing."""
        next(partition.turns, None)
        return partition.search.undecided if partition.search.is_over else ""

    def _contradicted(self, contradiction: Hint, count: int) -> Verdict:
        sentence, operations = contradiction
        last = operations[-1]
        line = f" (line {last.line})" if last.line else ""
        why = f"process {last.process} {self._model.tell(last)}{line}:\n{sentence}."
        finding = Finding(NAME, why, last.key, operations, omitted=len(self._history.operations) - len(operations))
        return self._verdict(Answer.INVALID, f"{self._counted(count)}: two operations contradict each other", count, (finding,))

    def _invalid(self, partition: _Partition, count: int) -> Verdict:
        initial = self._model.initial(partition.operations, self._history.facts)
        finding = explain(self._model, partition.key, partition.operations, partition.search, initial)
        reason = f"{self._counted(count)}: no order explains {_named(partition.key)}"
        facts = {"longest_order": len(partition.search.best()), "in_partition": len(partition.operations)}
        return self._verdict(Answer.INVALID, reason, count, (finding,), facts)

    def _unknown(self, count: int) -> Verdict:
        reasons = list(dict.fromkeys(reason for _, reason in self._open))
        keys = ", ".join(_named(key) for key, _ in self._open[:KEYS_NAMED_MAX])
        more = len(self._open) - KEYS_NAMED_MAX
        keys += f" and {more} more" if more > 0 else ""
        reason = f"{self._counted(count)}: not decided for {keys}, because a budget ran out or the history does not tell"
        return self._verdict(Answer.UNKNOWN, f"{reason} ({'; '.join(reasons[:KEYS_NAMED_MAX])})", count)

    def _counted(self, count: int) -> str:
        operations = len(self._history.operations)
        return f"{operations:,} operation{'s' * (operations != 1)} in {count:,} partition{'s' * (count != 1)}"

    def _verdict(
        self, answer: Answer, reason: str, count: int, findings: tuple[Finding, ...] = (), more: dict[str, int] | None = None
    ) -> Verdict:
        operations = self._history.operations
        facts: dict[str, int | float | str] = {
            "operations": len(operations),
            "unknown_outcomes": sum(operation.outcome is Outcome.UNKNOWN for operation in operations),
            "failed": sum(operation.outcome is Outcome.FAILED for operation in operations),
            "partitions": count,
            "partitions_valid": self._valid_count,
            "partitions_open": len(self._open),
            "steps": self._steps,
            "states_max": self._states_max,
            "seconds": (self._now_ms() - self._started_ms) / 1000,
        }
        return Verdict(self._model.name, answer, f"{reason}.", findings, facts | (more or {}))


def _effective(model: Model, operations: Sequence[Operation]) -> list[Operation]:
    """Without what certainly did nothing: failed operations, and reads that nobody heard the answer of."""
    return [
        operation
        for operation in operations
        if operation.outcome is Outcome.OK or (operation.outcome is Outcome.UNKNOWN and not model.is_read(operation))
    ]


def _named(key: Key) -> str:
    return "the object" if key is None else f"key {key!r}"
