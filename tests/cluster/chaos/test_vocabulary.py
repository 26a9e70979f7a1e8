"""The words of live faults: what each says, that it reads back the same, and what a mistake is told."""

import pytest

from quorate.cluster.chaos.connection_faults import Mix, Refuse, Reset, Tear
from quorate.cluster.chaos.link_faults import (
    Bandwidth,
    Corrupt,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Flapping,
    Isolate,
    Jitter,
    Minority,
    OneWay,
    Partition,
    Reorder,
)
from quorate.cluster.chaos.node_faults import Clock, FailDisk, Kill, Pause, SlowDisk, Transfer
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.chaos.vocabulary import SYNONYMS, VERBS, Fault, OnLinks, checked, node_words, parse
from quorate.cluster.faults.payloads import TransactionPayload
from quorate.protocols.simulation.swarm import FAULTS

NAMES = ("n1", "n2", "n3")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("partition n1,n2 / n3", Partition((("n1", "n2"), ("n3",)))),
        ("partition n1 , n2/n3", Partition((("n1", "n2"), ("n3",)))),
        ("partition n1 | n2 | n3", Partition((("n1",), ("n2",), ("n3",)))),
        ("halves minority / majority", Partition((("minority",), ("majority",)))),
        ("isolate leader", Isolate("leader")),
        ("minority", Minority()),
        ("minority leader", Minority("leader")),
        ("one-way n1 / n2,n3", OneWay(("n1",), ("n2", "n3"))),
        ("one_way 'leader>*'", OneWay(("leader",), ("*",))),
        ("flapping 300ms --count 5 --link leader:all", Flapping(300, 5, ("leader>*",))),
        ("cut --link n1->n2 --link n2:n1", Cut(("n1>n2", "n2>n1"))),
        ("cut n1:n2", Cut(("n1>n2",))),
        ("delay 1.5s", Delay(1_500)),
        ("slow_link 250us", Delay(0.25)),
        ("jitter 50ms±30ms", Jitter(50, 30)),
        ("jitter 50ms+-30ms --link 'n1>n2' --dist pareto", Jitter(50, 30, "pareto", ("n1>n2",))),
        ("jitter --dist=normal 0ms+/-30ms", Jitter(0, 30, "normal")),
        ("drop 10%", Drop(0.1)),
        ("drop 0.1", Drop(0.1)),
        ("drop 100% --only Append,Vote --first 2", Drop(1, only=("Append", "Vote"), first=2)),
        ("duplicate 5%", Duplicate(0.05)),
        ("reorder 10% 20ms", Reorder(0.1, 20)),
        ("corrupt 1% --part header", Corrupt(0.01, "header")),
        ("bandwidth 1MB/s", Bandwidth(1_000_000)),
        ("bandwidth 8Mbit/s", Bandwidth(1_000_000)),
        ("bandwidth 1MiB/s --link client:n1", Bandwidth(1 << 20, ("client>n1",))),
        ("refuse", Refuse()),
        ("reset --after 1m", Reset(60_000)),
        ("tear 0.5%", Tear(0.005)),
        ("jitter 5ms±5ms + drop 1% + duplicate 1%", Mix((Jitter(5, 5), Drop(0.01), Duplicate(0.01)))),
        ("delay 5ms + drop 1% --link n1:n2", Mix((Delay(5, ("n1>n2",)), Drop(0.01, ("n1>n2",))))),
        ("kill leader", Kill(("leader",))),
        ("crash n1,n2 --torn-tail", Kill(("n1", "n2"), torn_tail=True)),
        ("kill all --lose-unsynced", Kill(("*",), lose_unsynced=True)),
        ("pause n2", Pause(("n2",))),
        ("clock n3 +5s", Clock(("n3",), 5_000)),
        ("clock n3 -300ms", Clock(("n3",), -300)),
        ("clock n3 drift -200ppm", Clock(("n3",), drift_ppm=-200)),
        ("clock n3 1h drift 200ppm", Clock(("n3",), 3_600_000, 200)),
        ("slow-disk n2 20ms", SlowDisk(("n2",), 20)),
        ("failing-disk n2", FailDisk(("n2",))),
        ("transfer", Transfer()),
    ],
)
def test_words_say_a_fault_that_reads_back_the_same(text: str, fault: Fault) -> None:
    assert fault == parse(text)
    assert fault == parse(str(fault)), str(fault)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_an_example_that_is_one_and_reads_back_the_same(verb: str) -> None:
    fault = parse(VERBS[verb].example)

    assert verb == fault.verb
    assert fault == parse(str(fault)), str(fault)
    assert fault == checked(fault, NAMES)


@pytest.mark.parametrize("fault", [fault for verb in VERBS.values() if isinstance(fault := parse(verb.example), OnLinks)], ids=str)
def test_the_proxy_takes_every_fault_of_links(fault: OnLinks) -> None:
    said = TransactionPayload.model_validate({"id": "x", "ttl_s": 1, "faults": [fault.payload()]})

    assert (said.faults[0].links is None) != (said.faults[0].shape is None)


def test_a_mix_is_one_fault_for_the_proxy() -> None:
    fault = parse("jitter 50ms±30ms --link leader:* + drop 10% --link leader:*")
    assert isinstance(fault, Mix)

    expected = {"links": ["leader>*"], "delay_ms": 20, "jitter_ms": 60, "jitter": "uniform", "drop": 0.1, "only": [], "first": 0}
    assert expected == fault.payload()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a fault begins with one of partition, isolate"),
        ("melt n1", "no fault 'melt'; there are partition, isolate"),
        ("partition n1,n2", "groups with / in between"),
        ("partition n1,n2 / n2", "n2 stands on two sides"),
        ("partition n1, / n2", "names of nodes with commas in between"),
        ("isolate", "isolate: nodes is missing; written `isolate NODE`"),
        ("isolate n1,n2", "one node, not n1,n2"),
        ("one-way n1", "from / to"),
        ("jitter 50ms", "jitter: jitter: a delay and its jitter: 50ms±30ms or 50ms+-30ms"),
        ("jitter 50±30", "a duration: 250us, 50ms, 3s, 1.5m or 1h"),
        ("jitter 10ms±30ms", "no delay is negative"),
        ("jitter 50ms±30ms --dist gauss", "--dist: one of uniform, normal, exponential, pareto; not 'gauss'"),
        ("drop 10", "drop: share: a share: 10% or 0.1"),
        ("drop 0%", "at least 0.0001%"),
        ("drop -1%", "a share"),
        ("drop", "drop: share is missing"),
        ("drop 10% 20%", "'20%' is too much"),
        ("drop 10% --forst 2", "no option --forst"),
        ("drop 10% --first", "--first needs a value"),
        ("drop 10% --first 0", "a number from 1 to"),
        ("drop 10% --link n1", "--link is written source>destination"),
        ("reorder 10%", "held back by is missing"),
        ("bandwidth 1MB", "a bandwidth: 800B/s"),
        ("bandwidth 0B/s", "a bandwidth"),
        ("delay 11m", "at most 10m"),
        ("delay 0ms", "more than 0"),
        ("delay 5 ms", "a duration"),
        ("clock n3 5", "how far the clock is moved: +5s"),
        ("clock n3 0s", "at least 1ms"),
        ("clock n3 +25h", "at most 24h"),
        ("clock n3 drift 200", "a drift: 200ppm or -200ppm"),
        ("clock n3", "offset is missing"),
        ("kill n1 --torn-tail --lose-unsynced", "either --lose-unsynced"),
        ("slow-disk n2", "delay is missing"),
        ("kill 'n1", "No closing quotation"),
        ("delay 5ms +", "a fault begins with one of"),
        ("delay 5ms + isolate n1", "`isolate n1` cannot be mixed"),
        ("delay 5ms + kill n1", "`kill n1` cannot be mixed"),
        ("delay 5ms + jitter 5ms±1ms", "two parts of this mix say delay_ms"),
        ("delay 5ms n1:n2 + drop 1% n2:n3", "give --link once"),
        ("delay 5ms + drop 10% --only Vote", "--only and --first"),
    ],
)
def test_a_mistake_names_the_field_and_what_it_accepts(text: str, complaint: str) -> None:
    with pytest.raises(NotAFault) as refused:
        parse(text)

    assert complaint in str(refused.value), refused.value


@pytest.mark.parametrize("text", ["kill n9", "isolate n9", "drop 1% n1:n9", "delay 1ms n9:* + drop 1% n9:*", "ring n1,n9"])
def test_a_node_that_is_not_there_is_named_with_those_that_are(text: str) -> None:
    with pytest.raises(NotAFault, match=r"no node 'n9'; there are n1, n2, n3, and the words leader, follower"):
        checked(parse(text), NAMES)


def test_all_words_for_nodes_are_known() -> None:
    assert ("leader", "*") == node_words(parse("partition leader / all"))
    assert ("client", "n1", "n2") == node_words(parse("delay 5ms --link client:n1,n2"))


def test_the_simulators_names_are_understood_wherever_it_has_the_fault() -> None:
    """Its own are those that need its eye on each step, and two that here are words or values of another fault."""
    only_simulated = {"crash_within", "crash_at", "crash_loop", "flaky_link", "heal", "add_learner", "promote"}
    otherwise = {"crash_all": "kill all", "isolate_leader": "isolate leader", "drop_first": "drop 100% --first 1"}
    otherwise |= {"drift": "clock n1 drift 200ppm", "jump": "clock n1 +5s"}
    for name in FAULTS:
        verb = name.replace("_", "-")
        if name in otherwise:
            parse(otherwise[name])
        elif name not in only_simulated:
            assert SYNONYMS.get(verb, verb) in VERBS, name
