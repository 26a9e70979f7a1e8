"""The record of a run: it comes back from its file as it was, and what is no record is refused with the place that shows it."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from quorate.cluster.chaos import record
from quorate.cluster.chaos.record import (
    BadRecord,
    Bucket,
    Counts,
    FaultBand,
    Flight,
    Phase,
    Progress,
    Reachability,
    Replica,
    RunRecord,
    RunVerdict,
    Span,
)
from quorate.cluster.verify import files
from quorate.cluster.verify.history import Operation, Outcome
from quorate.cluster.verify.verdict import Answer, Edge, Finding, Verdict
from tests.cluster.chaos.made_records import passed, violated

NODES = ("n1", "n2")
times = some.floats(0, 1e9)
maybe_times = some.none() | times
stretches = some.tuples(times, times).map(sorted)
counts = some.integers(0, 1 << 40)
words = some.text(some.characters(exclude_categories=("Cs",)), max_size=8)
counted = some.dictionaries(words, counts, max_size=2)
facts = some.dictionaries(words, words | counts | times, max_size=2)
nodes = some.sampled_from(NODES)
links = some.sampled_from(("n1>n2", "n2>n1", "client>n1", "n2>client"))
keys = some.none() | words | some.integers() | some.binary(max_size=3).map(files.plain)
plain = some.recursive(keys | some.booleans(), lambda inner: some.lists(inner, max_size=2).map(tuple), max_leaves=4)


def several(of):
    return some.lists(of, max_size=2).map(tuple)


def in_time(of):
    """A series must not go back."""
    return several(of).map(lambda series: tuple(sorted(series, key=lambda each: each.at_ms)))


def stretched(kind, *before, after):
    """Things that last: (..., start, end, ...)."""
    return some.builds(lambda first, stretch, last: kind(*first, *stretch, *last), some.tuples(*before), stretches, some.tuples(*after))


@some.composite
def verdicts(draw):
    operations = draw(some.lists(some.builds(_operation, keys, plain, plain, some.sampled_from(Outcome)), min_size=1, max_size=3))
    operations = tuple(replace(each, called=at) for at, each in enumerate(operations))
    edges = several(some.builds(Edge, some.sampled_from(operations), words, some.sampled_from(operations), words))
    finding = some.builds(
        Finding, words, words, keys, some.just(operations), several(counts), several(words), several(counts), edges, counts
    )
    return draw(some.builds(Verdict, words, some.sampled_from(Answer), words, several(finding), facts))


def _operation(key, argument, result, outcome):
    return Operation(0, "f", key, argument, result, outcome, 0, None if outcome is Outcome.UNKNOWN else 1, 5, None, 2, None)


records = some.builds(
    RunRecord,
    name=words,
    engine=words,
    seed=counts,
    commit=words,
    command=words,
    started=words,
    duration_ms=times.map(lambda ms: ms + 1),
    nodes=some.just(NODES),
    election_timeout_ms=times,
    modes=some.dictionaries(words, some.sampled_from(get_args(record.Mode)), max_size=2),
    calibration=facts,
    verdict=some.sampled_from(RunVerdict),
    reasons=several(words),
    phases=several(stretched(Phase, words, after=())),
    faults=some.just(())
    | stretched(FaultBand, some.just("f1"), words, words, several(nodes), several(links), after=(counted,)).map(lambda one: (one,)),
    buckets=in_time(some.builds(Bucket, times, counts, counts, counts, maybe_times, maybe_times, maybe_times)),
    roles=some.dictionaries(nodes, several(stretched(Span, after=(some.sampled_from(get_args(record.Role)), counts)))),
    progress=some.dictionaries(nodes, in_time(some.builds(Progress, times, counts, counts))),
    reachability=in_time(some.builds(Reachability, times, some.dictionaries(links, some.sampled_from(get_args(record.LinkState))))),
    counts=some.builds(Counts, counts, counts, counts, counts, counted, counted),
    convergence=some.dictionaries(nodes, some.builds(Replica, counts, words)),
    checks=several(verdicts()),
    violation_ms=maybe_times,
    frames=several(stretched(Flight, links, words, counts, counts, after=(some.sampled_from(get_args(record.Fate)),))),
    facts=facts,
    truncations=several(words),
)


@settings(max_examples=60, deadline=None)
@given(records)
def test_a_record_comes_back_from_its_json_as_it_was(made: RunRecord) -> None:
    assert made == RunRecord.from_json(made.to_json())


@pytest.mark.parametrize("made", [passed(), violated()], ids=["passed", "violated"])
def test_a_record_comes_back_from_its_file_as_it_was(made: RunRecord, tmp_path: Path) -> None:
    record.write(made, tmp_path / "run.json")

    assert made == record.read(tmp_path / "run.json")


def test_the_exit_code_is_the_verdict() -> None:
    assert [0, 1, 2, 2] == [verdict.exit_code for verdict in RunVerdict]


@pytest.mark.parametrize("text", ["", "[]", "{}", "\x00", '{"format": "quorate chaos run"', '{"quorate": "history", "version": 1}'])
def test_a_file_of_another_kind_gets_one_sentence(text: str) -> None:
    with pytest.raises(BadRecord, match=r"other\.json: expected the JSON record of a chaos run") as refused:
        RunRecord.from_json(text, "other.json")
    assert len(refused.value.message) < 250


def test_a_newer_version_is_named() -> None:
    with pytest.raises(BadRecord, match=r"version 2 of the format; this quorate reads version 1"):
        RunRecord.from_json(passed().to_json().replace('"version":1', '"version":2'))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("seed",), "7", "seed: Input should be a valid integer"),
        (("colour",), "red", "colour: no such field"),
        (("duration_ms",), 0, "duration_ms: more than 0, not 0"),
        (("nodes",), ["n1", "n1", "n2", "n3"], "nodes: at least one, each once"),
        (("verdict",), "fine", "verdict: Input should be 'passed', 'violated', 'unknown' or 'inconclusive'"),
        (("roles", "n1", 0, "state"), "king", "roles.n1.0.state: Input should be 'leader'"),
        (("roles", "n1", 0, "extra"), 1, "roles.n1.0.extra: no such field"),
        (("roles", "n1", 0, "term"), 2.5, "roles.n1.0.term: Input should be a valid integer"),
        (("roles", "n4"), [], "roles.n4: no node of this run; there are n1, n2, n3"),
        (("roles", "n2", 0, "end_ms"), -1, "roles.n2.0: ends at -1"),
        (("faults", 1, "id"), "f1", "faults: two have the same id"),
        (("faults", 1, "links"), ["n1>n9"], "faults.1.links: no link 'n1>n9'"),
        (("faults", 1, "end_ms"), 1, "faults.1: ends at 1"),
        (("reachability", 1, "links"), {"n1>n1": "cut"}, "reachability.1.links: no link 'n1>n1'"),
        (("reachability", 1, "at_ms"), 9000, "reachability.2: at 4000.0 ms, before the one ahead of it at 9000"),
        (("buckets", 5, "at_ms"), 0, "buckets.5: at 0"),
        (("gaps", 0, "fault"), "f9", "gaps.0.fault: no fault 'f9'"),
        (("frames", 0, "arrived_ms"), 1, "frames.0: ends at 1"),
        (("frames", 0, "link"), "n1", "frames.0.link: no link 'n1'"),
        (("checks", 0, "findings", 0, "operations", 0, "outcome"), "good", "checks.0: Operation.outcome: Input should be 'ok'"),
        (("checks", 0, "findings", 0, "operations", 0, "result"), 1.5, "checks.0: not a value of a history: 1.5"),
        (("checks", 0, "findings", 0, "colour"), "red", "checks.0: Finding: no field colour"),
        (("checks", 1, "findings", 0, "cycle", 0, "source"), [1], "checks.1: source: an edge of a cycle names the `called`"),
        (("checks", 1, "findings"), {}, "checks.1: findings: a list"),
    ],
)
def test_what_is_wrong_in_a_record_is_named_with_its_place(place: tuple[str | int, ...], value: object, said: str) -> None:
    document = json.loads(violated().to_json())
    inside = document
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value

    with pytest.raises(BadRecord) as refused:
        RunRecord.from_json(json.dumps(document), "run.json")
    assert refused.value.message.startswith(f"run.json: {said}")


def test_a_file_with_a_thousand_mistakes_names_the_first_ones_and_counts_the_others() -> None:
    document = json.loads(passed().to_json())
    document["phases"] = [{}] * 1000

    with pytest.raises(BadRecord, match=r"phases\.0\.name.*; and 2,995 more$"):
        RunRecord.from_json(json.dumps(document))


def test_the_documentation_names_every_field() -> None:
    said = set(re.findall(r"`(\w+)`", (Path(__file__).parents[3] / "docs" / "chaos-report.md").read_text("utf-8")))

    assert set() == {field.name for field in fields(RunRecord)} - {"format", "version"} - said
