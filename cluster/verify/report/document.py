"""A verdict for machines: plain JSON values under names that stay. Bytes that are no text are {"hex": ...}, as in history files."""

from collections.abc import Mapping, Sequence

from quorate.cluster.verify.history import History, Operation
from quorate.cluster.verify.verdict import Finding, Verdict

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]


def document(history: History, verdict: Verdict) -> dict[str, Json]:
    """Everything that the checker said of a history."""
    return {"file": history.source, **told(verdict), "run": {name: plain(fact) for name, fact in history.facts.items()}}


def told(verdict: Verdict) -> dict[str, Json]:
    """The verdict alone; `reading.verdict` is the way back."""
    return {
        "model": verdict.model,
        "verdict": verdict.answer.value,
        "reason": verdict.reason,
        "findings": [_finding(each) for each in verdict.findings],
        "facts": dict(verdict.facts),
    }


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "name": finding.name,
        "why": finding.why,
        "key": plain(finding.key),
        "operations": [_operation(each) for each in finding.operations],
        "order": finding.order,
        "states": finding.states,
        "stuck": finding.stuck,
        "cycle": [
            {"source": edge.source.called, "kind": edge.kind, "target": edge.target.called, "reason": edge.reason} for edge in finding.cycle
        ],
        "omitted": finding.omitted,
    }


def _operation(each: Operation) -> dict[str, Json]:
    """An edge of a cycle names its operations by `called`."""
    return {
        "process": each.process,
        "function": each.function,
        "key": plain(each.key),
        "argument": plain(each.argument),
        "result": plain(each.result),
        "outcome": each.outcome.value,
        "called": each.called,
        "returned": each.returned,
        "called_ns": each.called_ns,
        "returned_ns": each.returned_ns,
        "line": each.line,
        "returned_line": each.returned_line,
    }


def plain(thing: object) -> Json:
    match thing:
        case None | bool() | int() | float() | str():
            return thing
        case bytes():
            return {"hex": thing.hex()}
        case tuple() | list():
            return [plain(each) for each in thing]
        case Mapping():
            return {str(name): plain(each) for name, each in thing.items()}
    raise TypeError(f"no history holds {type(thing).__name__}: {thing!r}")
