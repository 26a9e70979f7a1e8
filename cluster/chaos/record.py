"""The record of a chaos run: all that its report shows, as one JSON file that can be read again.

The rules it keeps: every time is in ms since the run's start (operations of findings are in ns since then). A file that is no record,
or contradicts itself, is refused with the field that does. What was left out of a record is said in `truncations`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from quorate.cluster.verify.report import document, reading
from quorate.cluster.verify.verdict import Verdict
from quorate.cluster.wire.errors import QuorateError

FORMAT = "quorate chaos run"
VERSION = 1
BUCKET_MS = 100
"""Operations are counted in stretches of this length."""
CLIENT = "client"
"""The name of all clients together in the names of links, as the fault proxy has it."""
PROBLEMS_MAX = 5
"""So many of a file's mistakes are told at once."""

Ms = float
Fact = str | int | float
Role = Literal["leader", "follower", "candidate", "learner", "paused", "down", "unreachable"]
LinkState = Literal["open", "slow", "lossy", "cut"]
Fate = Literal["delivered", "dropped", "duplicated", "held", "corrupted", "under way"]
Mode = Literal["stream", "message"]
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class BadRecord(QuorateError):
    """The file is no record of a chaos run, or of a version that this program does not know."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source or 'record'}: {problem}")


class RunVerdict(Enum):
    """How a run ended. Only PASSED is a pass."""

    PASSED = "passed"
    VIOLATED = "violated"
    UNKNOWN = "unknown"
    """A checker ran out of its budget, or something needed for the verdict could not be learnt."""
    INCONCLUSIVE = "inconclusive"
    """The run does not show what it is for: a fault touched nothing, or too few operations were acknowledged."""

    @property
    def exit_code(self) -> int:
        return {RunVerdict.PASSED: 0, RunVerdict.VIOLATED: 1}.get(self, 2)


@dataclass(frozen=True, slots=True)
class Phase:
    """Load, faults, heal, convergence, final reads ..."""

    name: str
    start_ms: Ms
    end_ms: Ms


@dataclass(frozen=True, slots=True)
class FaultBand:
    """One fault from its beginning to its end."""

    id: str
    """Unique in a run."""
    kind: str
    """By the one vocabulary: partition, kill, pause, jitter, ..."""
    text: str
    """As one would type it, the nodes resolved: "isolate leader (n2)"."""
    nodes: tuple[str, ...]
    links: tuple[str, ...]
    start_ms: Ms
    end_ms: Ms | None
    """None: it lasted to the end of the run."""
    touched: Mapping[str, int] = field(default_factory=dict)
    """What it did: {"frames dropped": 812}, {"processes": 1}. All zero makes a run inconclusive."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """The operations that returned within BUCKET_MS from `at_ms` on; the latencies are those of the acknowledged ones."""

    at_ms: Ms
    acknowledged: int
    failed: int
    unknown: int
    p50_ms: Ms | None = None
    p99_ms: Ms | None = None
    max_ms: Ms | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """What a node was, and in which term, from one observation to the next that differs."""

    start_ms: Ms
    end_ms: Ms
    state: Role
    term: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a node had come."""

    at_ms: Ms
    commit: int
    applied: int


@dataclass(frozen=True, slots=True)
class Reachability:
    """What each directed link did from this moment on; links that are not named were open."""

    at_ms: Ms
    links: Mapping[str, LinkState]


@dataclass(frozen=True, slots=True)
class Gap:
    """What one fault cost. None: it did not happen, or could not be seen."""

    fault: str
    """The id of its band."""
    first_error_ms: Ms | None
    """From its beginning to the first operation that was not acknowledged."""
    heal_to_first_success_ms: Ms | None
    """From its end to the first acknowledgement of an operation that was called afterwards."""
    election_ms: Ms | None
    """From its beginning until another leader was seen."""
    unavailable_ms: Ms | None
    """The longest stretch without any acknowledgement, from its beginning to the first success after its end."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the whole run."""

    operations: int
    acknowledged: int
    failed: int
    unknown: int
    faults: Mapping[str, int]
    """By kind."""
    frames: Mapping[str, int]
    """As the proxy counted: delivered, dropped, duplicated, inverted, corrupted, torn, ..."""


@dataclass(frozen=True, slots=True)
class Replica:
    """Where a node stood at the end: equal indexes must have equal digests."""

    index: int
    digest: str


@dataclass(frozen=True, slots=True)
class Flight:
    """One copy of one frame on its way. A copy beyond the first has the same number and the fate "duplicated"."""

    link: str
    type: str
    term: int
    number: int
    """Counts the frames of its link."""
    sent_ms: Ms
    arrived_ms: Ms | None
    fate: Fate
    """"held": it waited behind a cut, whether or not it arrived later."""


CheckVerdict = Annotated[Verdict, PlainSerializer(document.told, return_type=dict[str, object]), PlainValidator(reading.verdict)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Everything about one run."""

    __pydantic_config__ = _STRICT

    format: Literal["quorate chaos run"] = "quorate chaos run"
    version: Literal[1] = 1
    name: str
    """Of the scenario."""
    engine: str
    seed: int
    commit: str
    """Of the source, or the version, as far as it is known."""
    command: str
    """Repeats the run."""
    started: str
    """ISO 8601, UTC."""
    duration_ms: Ms
    nodes: tuple[str, ...]
    election_timeout_ms: Ms
    modes: Mapping[str, Mode]
    """By class of links: {"peers": "message", "clients": "stream"}."""
    calibration: Mapping[str, Fact] = field(default_factory=dict)
    """What an idle link of the proxy costs here; empty where there is no proxy."""
    verdict: RunVerdict
    reasons: tuple[str, ...]
    """Whole sentences, the weightiest first."""
    phases: tuple[Phase, ...] = ()
    faults: tuple[FaultBand, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    """In order; a stretch without operations may be left out."""
    roles: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    progress: Mapping[str, tuple[Progress, ...]] = field(default_factory=dict)
    reachability: tuple[Reachability, ...] = ()
    gaps: tuple[Gap, ...] = ()
    counts: Counts
    convergence: Mapping[str, Replica] = field(default_factory=dict)
    checks: tuple[CheckVerdict, ...] = ()
    """What each checker said; operations are in ns since the run's start."""
    names: Mapping[int, str] = field(default_factory=dict)
    """T1, T2, ... by the position of its call: how the sentences of findings name a transaction (verify.report.words.names)."""
    violation_ms: Ms | None = None
    """When the first violation showed, if one did: where the diagram of frames looks."""
    frames: tuple[Flight, ...] = ()
    """Those around the first violation."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Whatever else a reader should know: workload, clients, memory and descriptors at the end."""
    truncations: tuple[str, ...] = ()
    """Whole sentences about what was left out of this record."""

    def to_json(self) -> str:
        return _adapter().dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "") -> "RunRecord":
        """BadRecord, which names `source` and the fields that are wrong."""
        _check_header(text, source)
        try:
            record = _adapter().validate_json(text)
        except ValidationError as problem:
            raise BadRecord(source, _explain(problem)) from None
        problems = list(_contradictions(record))
        if problems:
            raise BadRecord(source, _first(problems))
        return record


def write(record: RunRecord, path: str | Path) -> None:
    Path(path).write_text(record.to_json() + "\n", "utf-8")


def read(path: str | Path) -> RunRecord:
    """BadRecord; OSError."""
    return RunRecord.from_json(Path(path).read_bytes(), str(path))


@cache
def _adapter() -> TypeAdapter[RunRecord]:
    return TypeAdapter(RunRecord)


def _check_header(text: str | bytes, source: str) -> None:
    """A file of another kind gets one sentence, not a list of all the fields that it has not."""
    expected = f'expected the JSON record of a chaos run, {{"format": "{FORMAT}", "version": {VERSION}, ...}}'
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRecord(source, f"{expected}, but this is no JSON: {error}") from None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise BadRecord(source, f"{expected}; `quorate chaos run` writes one")
    if fields.get("version") != VERSION:
        raise BadRecord(source, f"version {fields.get('version')!r:.40} of the format; this quorate reads version {VERSION}")


def _explain(problem: ValidationError) -> str:
    said = []
    for error in problem.errors(include_url=False):
        message = "no such field" if error["type"] == "unexpected_keyword_argument" else error["msg"].removeprefix("Value error, ")
        came = "" if error["type"] in ("missing", "value_error", "unexpected_keyword_argument") else f" (got {error['input']!r:.60})"
        said.append(f"{'.'.join(map(str, error['loc']))}: {message}{came}")
    return _first(said)


def _first(problems: list[str]) -> str:
    more = len(problems) - PROBLEMS_MAX
    return "; ".join(problems[:PROBLEMS_MAX]) + (f"; and {more:,} more" if more > 0 else "")


def _contradictions(record: RunRecord) -> Iterator[str]:
    """What types cannot say: names that are no node's, stretches that end before they begin, times that go back."""
    nodes = set(record.nodes)
    if not nodes or len(nodes) < len(record.nodes):
        yield f"nodes: at least one, each once, not {list(record.nodes)!r:.80}"
    if record.duration_ms <= 0:
        yield f"duration_ms: more than 0, not {record.duration_ms}"
    for where, per_node in (("roles", record.roles), ("progress", record.progress), ("convergence", record.convergence)):
        for name in per_node:
            if name not in nodes:
                yield f"{where}.{name}: no node of this run; there are {', '.join(record.nodes)}"
    links = {f"{one}>{two}" for one in (*nodes, CLIENT) for two in (*nodes, CLIENT) if one != two}
    for where, link in _named_links(record):
        if link not in links:
            yield f"{where}: no link {link!r:.60} between nodes of this run"
    yield from _reversed(record)
    bands = {band.id for band in record.faults}
    if len(bands) < len(record.faults):
        yield "faults: two have the same id"
    for at, gap in enumerate(record.gaps):
        if gap.fault not in bands:
            yield f"gaps.{at}.fault: no fault {gap.fault!r:.60} in this run"


def _named_links(record: RunRecord) -> Iterator[tuple[str, str]]:
    for at, band in enumerate(record.faults):
        yield from ((f"faults.{at}.links", link) for link in band.links)
    for at, moment in enumerate(record.reachability):
        yield from ((f"reachability.{at}.links", link) for link in moment.links)
    yield from ((f"frames.{at}.link", flight.link) for at, flight in enumerate(record.frames))


def _reversed(record: RunRecord) -> Iterator[str]:
    """Stretches that end before they begin, and series that go back in time."""
    stretches: list[tuple[str, Ms, Ms | None]] = []
    stretches += [(f"phases.{at}", each.start_ms, each.end_ms) for at, each in enumerate(record.phases)]
    stretches += [(f"faults.{at}", each.start_ms, each.end_ms) for at, each in enumerate(record.faults)]
    stretches += [(f"frames.{at}", each.sent_ms, each.arrived_ms) for at, each in enumerate(record.frames)]
    for name, spans in record.roles.items():
        stretches += [(f"roles.{name}.{at}", each.start_ms, each.end_ms) for at, each in enumerate(spans)]
    for where, start_ms, end_ms in stretches:
        if end_ms is not None and end_ms < start_ms:
            yield f"{where}: ends at {end_ms} ms, before it begins at {start_ms} ms"
    series = [("buckets", [each.at_ms for each in record.buckets]), ("reachability", [each.at_ms for each in record.reachability])]
    series += [(f"progress.{name}", [each.at_ms for each in steps]) for name, steps in record.progress.items()]
    for where, times in series:
        for at, (earlier, later) in enumerate(pairwise(times), 1):
            if later < earlier:
                yield f"{where}.{at}: at {later} ms, before the one ahead of it at {earlier} ms"
