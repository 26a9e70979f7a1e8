"""`quorate chaos` without a cluster: every fault is a command, mistakes are told before anything is looked for, links in words."""

import json
from pathlib import Path

import pytest

from quorate.cluster.chaos.acts import NodeView, View
from quorate.cluster.chaos.control import LinkView
from quorate.cluster.chaos.switches import Condition
from quorate.cluster.chaos.vocabulary import SYNONYMS, VERBS
from quorate.cluster.cli.chaos_views import as_json, event_line, link_words, show
from quorate.cluster.client.status import GroupStatus, NodeStatus
from quorate.cluster.local import LocalCluster
from tests.cluster.cli.conftest import Command


@pytest.mark.parametrize("verb", VERBS)
def test_every_fault_is_a_command_with_an_example_a_time_to_live_and_json(quorate: Command, verb: str) -> None:
    ran = quorate("chaos", verb, "--help", environment={"COLUMNS": "200"})

    assert 0 == ran.code, ran.err
    assert f"quorate chaos {VERBS[verb].example.replace('>', ':')}" in ran.out
    assert all(option in ran.out for option in ("--for", "--seed", "--data", "--json"))


@pytest.mark.parametrize("word", [*SYNONYMS, "slow_disk"])
def test_other_words_for_a_fault_are_commands_too(quorate: Command, word: str) -> None:
    assert 0 == quorate("chaos", word, "--help").code


def test_the_help_of_chaos_lists_everything(quorate: Command) -> None:
    ran = quorate("chaos", "--help")

    assert 0 == ran.code
    assert all(word in ran.out for word in ("heal", "status", "events", *VERBS))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("melt", "n1"), "no fault 'melt'; there are run, scenarios, report, heal, status, events, partition"),
        (("drop", "10"), "a share: 10% or 0.1"),
        (("drop", "10%", "--for", "5"), "--for: a duration: 250us, 50ms, 3s"),
        (("kill", "n1", "--for", "2h"), "at most 1h"),
        (("delay", "5ms", "+", "kill", "n1"), "`kill n1` cannot be mixed"),
        (("drop", "10%", "--lnk", "n1:n2"), "no option --lnk; written `drop SHARE"),
    ],
)
def test_a_mistake_is_told_before_a_cluster_is_looked_for(quorate: Command, words: tuple[str, ...], complaint: str) -> None:
    ran = quorate("chaos", *words)

    assert (2, "") == (ran.code, ran.out)
    assert complaint in ran.err


def test_a_clock_may_be_set_back_with_a_word_that_looks_like_an_option(quorate: Command) -> None:
    """-1h is no help, and -300ms no options; so only the cluster is missing."""
    for offset in ("-1h", "-300ms", "-5s"):
        ran = quorate("chaos", "clock", "n1", offset)

        assert (3, True) == (ran.code, "no local cluster" in ran.err), ran


@pytest.mark.parametrize("words", [("drop", "1%"), ("isolate", "n1"), ("events",), ("heal", "x")])
def test_a_cluster_without_a_proxy_says_how_to_begin_one(quorate: Command, tmp_path: Path, words: tuple[str, ...]) -> None:
    LocalCluster.create(tmp_path / "plain", nodes=1)
    ran = quorate("chaos", *words, "--data", str(tmp_path / "plain"))

    assert 2 == ran.code
    assert "quorate up --proxy" in ran.err


def test_a_cluster_that_does_not_run_says_so(quorate: Command, tmp_path: Path) -> None:
    place = str(tmp_path / "proxied")
    LocalCluster.create(tmp_path / "proxied", proxied=True)
    silent, dead = quorate("chaos", "cut", "n1:n2", "--data", place), quorate("chaos", "kill", "n1", "--data", place)
    unknown = quorate("chaos", "cut", "n1:n9", "--data", place)

    assert not any(node.running for node in LocalCluster.open(tmp_path / "proxied").record.nodes.values())
    assert (3, True) == (silent.code, "the fault proxy does not answer" in silent.err)
    assert (2, True) == (dead.code, "n1 is not running; start it with `quorate start n1`" in dead.err)
    assert (2, True) == (unknown.code, "no node 'n9'; there are n1, n2, n3" in unknown.err)


def link(**fault: object) -> LinkView:
    return LinkView("n1>n2", "faulty", "message", "x", fault, {})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (LinkView("n1>n2", "open", "message", "", {}, {}), "open"),
        (LinkView("n1>n2", "toxic", "stream", "", {}, {}), "toxics"),
        (link(cut=True), "cut"),
        (link(delay_ns=50_000_000), "50ms"),
        (link(delay_ns=20_000_000, jitter_ns=60_000_000, jitter="uniform"), "50±30ms uniform"),
        (link(delay_ns=50_000_000, jitter_ns=30_000_000, jitter="pareto"), "50±30ms pareto"),
        (link(drop_ppm=100_000, duplicate_ppm=1, reorder_ppm=5_000), "drop 10%, double 0.0001%, reorder 0.5%"),
        (link(bytes_per_s=1_000_000), "1MB/s"),
        (link(refuse=True, reset_after_ns=0), "refuse, reset"),
        (link(half_open=True), "half open"),
        (link(slicer={"average_bytes": 5}), "faulty"),
    ],
)
def test_what_a_link_does_in_words(said: LinkView, words: str) -> None:
    assert words == link_words(said)


def seen() -> View:
    leads = NodeStatus(node="n1", ready=True, groups={"default": GroupStatus(role="leader", term=3)})
    bad = Condition(True, {"sync_delay_ms": 20}, 4_000, clock_offset_ms=-5_000, clock_drift_ppm=200, clock_ends_in_ms=900)
    links = {name: LinkView(name, "open", "message", "", {}, {"dropped": 7}) for name in ("n1>n2", "client>n1", "n1>client")}
    links["n2>n1"] = LinkView("n2>n1", "faulty", "message", "cut-1", {"cut": True}, {})
    return View({"n1": NodeView("running", leads, bad), "n2": NodeView("paused", None, None)}, links, {"cut-1": 2.5, "old-1": 9.0}, True)


def test_the_status_is_a_table_of_nodes_and_one_of_links(capsys: pytest.CaptureFixture[str]) -> None:
    show(seen())
    out = capsys.readouterr().out.splitlines()

    assert "n1    running  leader     3  slow by 20ms (4 s left)  -5 s, +200 ppm (900 ms left)" == out[1]
    assert "n2    paused" == out[2]
    assert ["FROM \\ TO  n1   n2", "n1 >            open", "n2 >       cut"] == out[4:7]
    assert "cut-1: rules n2>n1, for another 2 s; `quorate chaos heal cut-1` ends it." == out[7]
    assert out[8].startswith("old-1: rules no link now")


def test_the_status_is_json_too() -> None:
    said = json.loads(json.dumps(as_json(seen())))

    assert {"does": "cut", "state": "faulty", "mode": "message", "by": "cut-1", "counts": {}} == said["links"]["n2>n1"]
    assert ("leader", 3, {"sync_delay_ms": 20}, -5_000) == tuple(
        said["nodes"]["n1"][name] for name in ("role", "term", "disk", "clock_offset_ms")
    )
    assert ("paused", False, None) == tuple(said["nodes"]["n2"][name] for name in ("process", "answers", "role"))


def test_an_event_is_a_line() -> None:
    event = {"event": "healed", "number": 7, "time_ns": 1_500_000_000, "id": "cut-1", "links": ["n1>n2", "n2>n1"]}

    assert "7        1.500 healed  id=cut-1  links=n1>n2,n2>n1" == event_line(event, json=False)
    assert event == json.loads(event_line(event, json=True))
