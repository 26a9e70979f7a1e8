"""What a record keeps of a violation: when it showed, the frames around it, and the names by which its sentences call transactions."""

from collections.abc import Iterable, Mapping, Sequence

from quorate.cluster.chaos.record import Flight, Ms
from quorate.cluster.verify.history import History, Operation
from quorate.cluster.verify.report import words
from quorate.cluster.verify.verdict import Finding, Verdict

NS_PER_MS = 1_000_000


def first_violation_ms(checks: Iterable[Verdict]) -> Ms | None:
    """When the first finding of all could be seen from outside; None if none has times."""
    seen_ns = [ns for check in checks for finding in check.findings if (ns := _shows_ns(finding))]
    return min(seen_ns) / NS_PER_MS if seen_ns else None


def _shows_ns(finding: Finding) -> int:
    """Of a linearization: when the first operation returned that does not fit. Else when the last that takes part had returned."""
    stuck = [finding.operations[index] for index in finding.stuck]
    returned = _returned(stuck)
    return min(returned) if returned else max(_returned(finding.operations), default=0)


def _returned(operations: Iterable[Operation]) -> list[int]:
    return [each.returned_ns for each in operations if each.returned is not None and each.returned_ns is not None]


def transaction_names(history: History, checks: Iterable[Verdict]) -> dict[int, str]:
    """T1, T2, ... of those transactions that findings name, by the position of their calls."""
    named = {each.called for check in checks for finding in check.findings for each in finding.operations}
    return {called: name for called, name in words.names(history).items() if called in named}


def flights(columns: Sequence[str], rows: Iterable[Sequence[object]], start_ns: int) -> tuple[Flight, ...]:
    """Frames as the proxy's `GET /frames` tells them, in ms since `start_ns` of the clock that it and the run share."""
    return tuple(_flight(dict(zip(columns, row, strict=True)), start_ns) for row in rows)


def _flight(told: Mapping[str, object], start_ns: int) -> Flight:
    fields = dict(told)
    for moment in ("sent", "arrived"):
        ns = fields.pop(f"{moment}_ns")
        assert isinstance(ns, int | None), told
        fields[f"{moment}_ms"] = None if ns is None else (ns - start_ns) / NS_PER_MS
    return Flight(**fields)  # type: ignore[arg-type]  # the proxy's own words, which its tests hold to these
