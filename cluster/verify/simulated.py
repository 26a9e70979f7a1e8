"""The history of a simulated run: listens to the clients of a Campaign and keeps what they asked and what they were told."""

from collections.abc import Mapping

from quorate.cluster.verify.history import History, Operation, Outcome
from quorate.protocols.simulation import workload
from quorate.protocols.simulation.application import Call


class Recording:
    """Hand it to a Campaign as its `observer`; `history` when the run is over. Times are virtual."""

    def __init__(self) -> None:
        self._events = 0
        self._open: dict[int, tuple[int, int, Call]] = {}
        self._operations: list[Operation] = []

    def called(self, process: int, call: Call, now_ns: int) -> None:
        assert process not in self._open, (process, call)
        self._open[process] = (self._position(), now_ns, call)

    def settled(self, process: int, call: Call, outcome: workload.Outcome, result: object, now_ns: int) -> None:
        called, called_ns, asked = self._open.pop(process)
        assert asked is call, (asked, call)
        match outcome:
            case workload.Outcome.UNKNOWN:
                self._add(process, call, None, Outcome.UNKNOWN, called, called_ns)
            case workload.Outcome.REFUSED:
                self._add(process, call, None, Outcome.FAILED, called, called_ns, self._position(), now_ns)
            case workload.Outcome.DONE:
                self._add(process, call, result, Outcome.OK, called, called_ns, self._position(), now_ns)

    def history(self, facts: Mapping[str, object] | None = None) -> History:
        """All that was called; what is still open has an unknown outcome."""
        open_calls = [
            Operation(process, call.function, call.key, call.argument, None, Outcome.UNKNOWN, called, None, called_ns)
            for process, (called, called_ns, call) in self._open.items()
        ]
        return History(tuple(sorted([*self._operations, *open_calls], key=lambda one: one.called)), facts or {})

    def _position(self) -> int:
        self._events += 1
        return self._events

    def _add(
        self,
        process: int,
        call: Call,
        result: object,
        outcome: Outcome,
        called: int,
        called_ns: int,
        returned: int | None = None,
        returned_ns: int | None = None,
    ) -> None:
        self._operations.append(
            Operation(process, call.function, call.key, call.argument, result, outcome, called, returned, called_ns, returned_ns)
        )
