"""A verdict from its document: the way back from `document.told`.

The rule it keeps: what cannot be a verdict is refused with the field that shows it, and nothing is guessed.
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from quorate.cluster.verify.files import from_json
from quorate.cluster.verify.history import Operation
from quorate.cluster.verify.verdict import Edge, Finding, Verdict

Made = TypeVar("Made", Verdict, Finding, Operation, Edge)
_VERDICT, _FINDING, _OPERATION, _EDGE = TypeAdapter(Verdict), TypeAdapter(Finding), TypeAdapter(Operation), TypeAdapter(Edge)


def verdict(told: object) -> Verdict:
    """ValueError if it is none."""
    fields = _object(told, "a verdict")
    answer, findings = fields.pop("verdict", None), [_finding(each) for each in _list(fields, "findings")]
    return _made(Verdict, _VERDICT, fields | {"answer": answer, "findings": findings})


def _finding(told: object) -> Finding:
    fields = _object(told, "a finding")
    operations = [_operation(each) for each in _list(fields, "operations")]
    by_call = {each.called: each for each in operations}
    cycle = [_edge(each, by_call) for each in _list(fields, "cycle")]
    return _made(Finding, _FINDING, fields | {"operations": operations, "cycle": cycle, "key": from_json(fields.get("key"))})


def _operation(told: object) -> Operation:
    fields = _object(told, "an operation")
    return _made(Operation, _OPERATION, fields | {name: from_json(fields.get(name)) for name in ("key", "argument", "result")})


def _edge(told: object, by_call: Mapping[int, Operation]) -> Edge:
    fields = _object(told, "an edge of a cycle")
    for end in ("source", "target"):
        called = fields.get(end)
        if not isinstance(called, int) or called not in by_call:
            raise ValueError(f"{end}: an edge of a cycle names the `called` of an operation of its finding, not {called!r:.40}")
        fields[end] = by_call[called]
    return _made(Edge, _EDGE, fields)


def _object(told: object, what: str) -> dict[str, object]:
    if not isinstance(told, dict):
        raise ValueError(f"{what} is an object, not {told!r:.60}")
    return dict(told)


def _list(fields: Mapping[str, object], name: str) -> list[object]:
    found = fields.get(name)
    if not isinstance(found, list):
        raise ValueError(f"{name}: a list, not {found!r:.60}")
    return found


def _made(kind: type[Made], adapter: TypeAdapter[Made], fields: Mapping[str, object]) -> Made:
    unknown = fields.keys() - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"{kind.__name__}: no field {', '.join(sorted(unknown))}")
    try:
        return adapter.validate_python(fields)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise ValueError(f"{kind.__name__}.{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first['input']!r:.60})") from None
