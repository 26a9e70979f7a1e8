"""Scenario files: what they say, and what they are told when they say it wrongly."""

from pathlib import Path

import pytest

from quorate.cluster.chaos import reading
from quorate.cluster.chaos.link_faults import Isolate
from quorate.cluster.chaos.node_faults import Kill
from quorate.cluster.chaos.scenario import Load
from quorate.cluster.chaos.yaml_tree import BadScenario

GOOD = """\
name: mine
doc: >
  What it
  shows.
engine: zab
cluster:
  nodes: 5
  settings: {timing: {election_timeout_ms: 500}}
duration: 1m
load: {rate: 300, hot: 50%, timeout: 500ms, exactly_once: false}
schedule:
  - {at: 2s, for: 1.5s, fault: kill leader}
  - {after: 500ms, fault: isolate n5}
random:
  faults: [pause random, drop 10%]
  every: 2s
  for: 1s..3s
  together: 1
expect: {recover_within: 20, converge_within: 1m, control: true}
"""


def test_a_scenario_says_what_its_file_says() -> None:
    made = reading.from_text(GOOD, "mine.yaml")

    assert ("mine", "What it shows.", "zab", 5, 60.0) == (made.name, made.doc, made.engine, made.nodes, made.duration_s)
    assert {"timing": {"election_timeout_ms": 500}} == made.settings
    assert Load(rate=300, hot=0.5, timeout_s=0.5, exactly_once=False) == made.load
    assert [(Kill(("leader",)), 2.0, 1.5), (Isolate("n5"), None, 3.0)] == [(step.fault, step.at_s, step.for_s) for step in made.schedule]
    assert made.random is not None
    assert ((2.0, 2.0), (1.0, 3.0), 1) == (made.random.every_s, made.random.for_s, made.random.together)
    assert (20, 60.0, True) == (made.expect.recover_within, made.expect.converge_within_s, made.expect.control)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "fault: kill leader",
            "fault: murder leader",
            r"mine\.yaml:12: schedule\[0\]\.fault: no fault 'murder'; there are partition, isolate",
        ),
        (
            "fault: isolate n5",
            "fault: isolate n6",
            r"mine\.yaml:13: schedule\[1\]\.fault: no node 'n6' in a cluster of 5; there are n1, n2",
        ),
        ("for: 1.5s", "for: 1.5 parsecs", r"mine\.yaml:12: schedule\[0\]\.for: a duration: 250us, 50ms"),
        ("for: 1.5s", "fro: 1.5s", r"mine\.yaml:12: schedule\[0\]\.fro: no such field; accepted: fault, at, after, every, for"),
        ("at: 2s", "at: 2s, every: 3s", r"mine\.yaml:12: schedule\[0\]: one of at, after and every says when; given: at, every"),
        ("at: 2s", "after: 2s", r"mine\.yaml:12: schedule\[0\]\.after: the first step has no step above it"),
        ("at: 2s", "every: 1s", r"mine\.yaml:12: schedule\[0\]\.every: a new one would begin before the last has ended"),
        (", fault: kill leader", "", r"mine\.yaml:12: schedule\[0\]: fault is missing"),
        ("drop 10%", "drop 110%", r"mine\.yaml:15: random\.faults\[1\]: .*share: a share: 10% or 0\.1"),
        ("for: 1s..3s", "for: 3s..1s", r"mine\.yaml:17: random\.for: from the shorter to the longer, not '3s\.\.1s'"),
        ("nodes: 5", "nodes: 0", r"mine\.yaml:7: cluster\.nodes: a number from 1 to 7, not '0'"),
        ("nodes: 5", "nodes: many", r"mine\.yaml:7: cluster\.nodes: a number from 1 to 7, not 'many'"),
        ("nodes: 5", "nodes: [5]", r"mine\.yaml:7: cluster\.nodes: a number from 1 to 7, not a list"),
        (
            "election_timeout_ms: 500",
            "election_ms: 500",
            r"mine\.yaml:8: cluster\.settings: .*timing\.election_ms: no such setting; accepted",
        ),
        ("election_timeout_ms: 500", "election_timeout_ms: 5", r"mine\.yaml:8: cluster\.settings: .*greater than or equal to 100"),
        ("engine: zab", "engine: rafft", r"mine\.yaml:5: engine: one of raft, zab, .*not 'rafft'"),
        ("hot: 50%", "hot: 0", r"mine\.yaml:10: load\.hot: a share"),
        ("rate: 300", "rate: 0.5", r"mine\.yaml:10: load\.rate: a number from 1"),
        ("exactly_once: false", "exactly_once: maybe", r"mine\.yaml:10: load\.exactly_once: true or false, not 'maybe'"),
        ("duration: 1m", "duration: 1m\nduration: 2m", r"mine\.yaml:10: duration: given twice"),
        ("name: mine\n", "", r"mine\.yaml:1: name is missing; accepted: name, doc"),
        ("engine: zab", "engine: [zab", r"mine\.yaml:6: not valid YAML"),
        ("engine: zab", "engine: &a zab\nload: *a", r"mine\.yaml:6: \*a: aliases are not accepted"),
        ("schedule:", "schedule: nothing\nrest:", r"mine\.yaml:12: rest: no such field"),
        ("faults: [pause random, drop 10%]", "faults: nothing", r"mine\.yaml:15: random\.faults: a list is needed here"),
    ],
)
def test_a_mistake_is_told_with_its_line_its_field_and_what_is_accepted(old: str, new: str, complaint: str) -> None:
    assert old in GOOD

    with pytest.raises(BadScenario, match=complaint):
        reading.from_text(GOOD.replace(old, new, 1), "mine.yaml")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b", "name: x\ndoc: y", "\x00", "[" * 5_000, "a: 1\n---\nb: 2"])
def test_what_is_no_scenario_is_refused_with_the_file(text: str) -> None:
    with pytest.raises(BadScenario, match=r"^mine\.yaml"):
        reading.from_text(text, "mine.yaml")


def test_a_name_that_there_is_not_lists_those_that_there_are() -> None:
    with pytest.raises(BadScenario, match=r"no scenario 'nothing'.*leader-kill-loop"):
        reading.find("nothing")
    with pytest.raises(BadScenario, match=r"cannot read .*none\.yaml"):
        reading.find("./none.yaml")


def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)

    assert "mine" == reading.find(str(path)).name


@pytest.mark.parametrize("name", reading.names())
def test_every_scenario_of_the_package_is_sound_and_has_its_files_name(name: str) -> None:
    made = reading.named(name)

    assert name == made.name
    assert made.expect.control == name.startswith("control-")
    assert made.doc.endswith(".")


def test_the_scenarios_that_were_promised_are_there() -> None:
    promised = """leader-kill-loop rolling-pause minority-partition majority-partition one-way bridge majorities-ring flapping
    jitter-and-reorder drop-and-duplicate corrupt-frames slow-disk full-disk clock-jumps membership-churn snapshot-catch-up
    all-crash-restart everything control-lying-disks control-no-sessions control-log-shipping"""

    assert set() == set(promised.split()) - set(reading.names())
