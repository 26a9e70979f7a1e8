"""From the lines of a history file to operations: each return finds its invocation.

The rule: order comes from the position in the file alone. A file that contradicts itself is refused with the lines that do,
because a verdict about it would mean nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from quorate.cluster.verify.history import DEPTH_MAX, NUMBER_BITS_MAX, History, Operation, Outcome
from quorate.cluster.wire.errors import QuorateError

INVOKE = "invoke"
KINDS = (INVOKE, *(outcome.value for outcome in Outcome))


class BadHistory(QuorateError):
    """The file is damaged, of another kind, or says what cannot be."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source or 'history'}:{line}: {problem}")


@dataclass(frozen=True, slots=True)
class Event:
    """One line: an invocation, or a return of the kind that `Outcome` names."""

    kind: str
    process: int
    function: str = ""
    """Of a return: empty where the file does not repeat it."""
    key: str | bytes | int | None = None
    value: object = None
    """An invocation's argument, or the result of a return that is ok."""
    time_ns: int = 0
    line: int = 0


@dataclass(slots=True)
class _Call:
    """An invocation and what is known of its return so far."""

    event: Event
    position: int
    returned: Event | None = None
    returned_position: int | None = None


def checked_number(value: int) -> int:
    """ValueError for one that is too large for a history."""
    if value.bit_length() > NUMBER_BITS_MAX:
        raise ValueError(f"a number of {value.bit_length():,} bits; those of a history have {NUMBER_BITS_MAX:,} at the most")
    return value


def checked_depth(items: Collection[object], depth: int) -> Collection[object]:
    """ValueError if that many others around these are too many for a history."""
    if depth >= DEPTH_MAX:
        raise ValueError(f"values of a history are nested {DEPTH_MAX} deep at the most")
    return items


def assemble(events: Iterable[Event], *, source: str = "", facts: Mapping[str, object] | None = None) -> History:
    """All operations of some events. BadHistory if operations of one process overlap, or a return has no invocation."""
    calls: list[_Call] = []
    latest: dict[int, _Call] = {}
    for position, event in enumerate(events):
        previous = latest.get(event.process)
        if event.kind == INVOKE:
            if previous is not None:
                _check_free(event, previous, source)
            call = latest[event.process] = _Call(event, position)
            calls.append(call)
        else:
            _check_return(event, previous, source)
            assert previous is not None, event
            previous.returned, previous.returned_position = event, position
    return History(tuple(_operations(calls)), facts or {}, source)


def _check_free(event: Event, previous: _Call, source: str) -> None:
    """A process may invoke once it knows how its last operation ended."""
    earlier = f"{previous.event.function} of line {previous.event.line}"
    if previous.returned is None:
        problem = f"process {event.process} invokes {event.function}, but its {earlier} has not returned"
        raise BadHistory(source, event.line, f"{problem}: operations of one process must not overlap")
    if previous.returned.kind == Outcome.UNKNOWN.value:
        problem = f"process {event.process} invokes {event.function}, but the outcome of its {earlier} stayed unknown"
        problem += f" (line {previous.returned.line}): it may still take effect, so they overlap"
        raise BadHistory(source, event.line, f"{problem}; a client goes on under a new process number")


def _check_return(event: Event, previous: _Call | None, source: str) -> None:
    if previous is None:
        raise BadHistory(source, event.line, f"process {event.process} returns ({event.kind}), but has invoked nothing")
    invoked = previous.event
    if previous.returned is not None:
        problem = f"process {event.process} returns ({event.kind}) a second time from its {invoked.function} of line {invoked.line}"
        raise BadHistory(source, event.line, f"{problem}: it returned at line {previous.returned.line}")
    if event.function and event.function != invoked.function:
        problem = f"process {event.process} returns from {event.function}, but what it invoked (line {invoked.line}) is {invoked.function}"
        raise BadHistory(source, event.line, problem)
    if event.key is not None and event.key != invoked.key:
        problem = f"process {event.process} returns for key {event.key!r}, but invoked (line {invoked.line}) for {invoked.key!r}"
        raise BadHistory(source, event.line, problem)


def _operations(calls: Iterable[_Call]) -> Iterator[Operation]:
    for call in calls:
        event, returned = call.event, call.returned
        outcome = Outcome.UNKNOWN if returned is None else Outcome(returned.kind)
        yield Operation(
            process=event.process,
            function=event.function,
            key=event.key,
            argument=event.value,
            result=returned.value if returned is not None and outcome is Outcome.OK else None,
            outcome=outcome,
            called=call.position,
            returned=None if outcome is Outcome.UNKNOWN else call.returned_position,
            called_ns=event.time_ns,
            returned_ns=None if returned is None else returned.time_ns,
            line=event.line,
            returned_line=None if returned is None else returned.line,
        )
