"""Every scenario of tests/scenarios, played on the engine that its name begins with, gives the output that its file shows.
QUORATE_REWRITE=1 writes what it gives instead.

How to write one: docs/scenarios.md, whose own examples are played here too.
"""

import os
import re
from pathlib import Path

import pytest

from quorate.protocols.simulation.engines import load
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.scenario import VERBS, Scenario, ScenarioError

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "tests" / "scenarios"
FILES = sorted(FOLDER.glob("*.txt"))
GUIDE = ROOT / "docs" / "scenarios.md"
EXAMPLE = re.compile(r"```scenario\n(.*?)```\n", re.DOTALL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    told = path.read_text()
    given = Scenario(load(path.name.partition("_")[0])).run(told, path.name)
    if os.environ.get("QUORATE_REWRITE"):
        path.write_text(given)
        told = given

    assert told == given, f"{path.name}: if the new output is right, QUORATE_REWRITE=1 writes it"


def test_no_scenario_breaks_an_invariant() -> None:
    assert [] == [path.name for path in FILES if "VIOLATION" in path.read_text()]


def test_there_are_scenarios() -> None:
    assert len(FILES) >= 9


# --- the guide ---


def test_every_example_of_the_guide_gives_what_it_shows() -> None:
    text = GUIDE.read_text()

    def play(block: re.Match[str]) -> str:
        return f"```scenario\n{Scenario(RAFT).run(block[1], GUIDE.name)}```\n"

    played = EXAMPLE.sub(play, text)
    if os.environ.get("QUORATE_REWRITE"):
        GUIDE.write_text(played)
        text = played

    assert text == played, "docs/scenarios.md: if the new output is right, QUORATE_REWRITE=1 writes it"


def used(texts: list[str]) -> set[str]:
    """The verbs of the commands in these scenarios, those behind `quietly` too."""
    found: set[str] = set()
    for text in texts:
        for block in text.split("\n\n"):
            for line in block.partition("----")[0].splitlines():
                words = line.split()
                if words and words[0] != "#":
                    found.update(words[:2] if words[0] == "quietly" else words[:1])
    return found


def test_the_guide_lists_every_verb_as_it_is() -> None:
    section = GUIDE.read_text().partition("## Every verb\n")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `(.+?)` \| (.+?) \|$", section, re.MULTILINE)

    assert sorted((verb.usage.replace("|", "\\|"), verb.meaning) for verb in VERBS.values()) == sorted(listed)


def test_every_verb_has_an_example_in_the_guide_and_is_used_by_a_scenario() -> None:
    assert set(VERBS) == used(EXAMPLE.findall(GUIDE.read_text()))
    assert set(VERBS) == used([path.read_text() for path in FILES])


# --- mistakes ---


MISTAKES = {
    "dance n1": "unknown command; there are break bridge campaign",
    "quietly": "the command is missing, in: quietly; usage: quietly COMMAND",
    "quietly dance": "unknown command",
    "tick": "the node is missing, in: tick; usage: tick NODE [COUNT]",
    "tick n9": "there is no node 'n9'; there are n1 n2 n3, in: tick n9",
    "tick n1 soon": "COUNT is a whole number, not 'soon'",
    "tick n1 -3": "COUNT is at least 0, not -3",
    "tick n1 2 3": "'3' is too much, in: tick n1 2 3",
    "wait 1000000": "COUNT is at most 10000",
    "drift n1 1000000": "PPM is at most 900000",
    "restart n1": "n1 is running",
    "resume n1": "n1 is not paused",
    "cluster 0": "how many nodes is at least 1, not 0",
    "cluster 10": "a scenario has 9 nodes at most, not 10",
    "cluster 3 speed=9": "'speed=9' is no option=figure; the options of raft are election_ticks heartbeat_ticks",
    "cluster 3 election_ticks": "'election_ticks' is no option=figure",
    "cluster 3 election_ticks=x": "election_ticks is a whole number, not 'x'",
    "cluster 3 election_ticks=2": "election_ticks (2) must be at least 3 heartbeat_ticks",
    "deliver n1>n9": "there is no node 'n9'",
    "deliver >": "a link is n1>n2, n1>, >n1 or n1, not '>'",
    "cut": "the link is missing",
    "halves n1 n2": "/ between two groups of nodes is missing",
    "halves n1 / n1": "two groups of nodes that have none in common stand around /",
    "change n1 sack n2": "the change is add or promote or promote_by_hand or remove, not 'sack'",
    "change n1 add m4": "a node's name is n and its number, not 'm4'",
    "change n1 add n4 soon": "the rest is promote, not 'soon'",
    "expect luck": "what to expect is leader or term",
    "expect leader n9": "there is no node 'n9'",
    "settle n1": "'n1' is too much",
    "jump n1 -10001": "COUNT is at least -10000",
    "tear n1": "n1 is writing nothing; `hold` keeps a batch from being synced",
    "flip_bit n1": "n1's log has not two batches yet",
    "wipe_disk n1": "n1 is running; crash it first",
}


@pytest.mark.parametrize("command", MISTAKES)
def test_a_mistake_names_the_file_the_line_and_what_is_known(command: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario(RAFT).run(f"# a mistake\ncluster 3\n\n{command}\n----\n", "bad.txt")

    assert str(caught.value).startswith("bad.txt:4: "), caught.value
    assert MISTAKES[command] in str(caught.value)


def test_a_node_that_is_down_does_nothing() -> None:
    for command in ("crash n1", "tick n1", "campaign n1", "snapshot n1", "pause n1"):
        with pytest.raises(ScenarioError, match="n1 is down"):
            Scenario(RAFT).run(f"cluster 3\ncrash n1\n{command}\n----\n")


def test_commands_without_an_output_are_named() -> None:
    with pytest.raises(ScenarioError, match=r"no_end\.txt:2: no line ---- after: state"):
        Scenario(RAFT).run("cluster 3\nstate\n", "no_end.txt")


def test_a_scenario_begins_with_a_cluster() -> None:
    with pytest.raises(ScenarioError, match="begins with `cluster`"):
        Scenario(RAFT).run("state\n----\n")


# --- expectations ---

LED = "cluster 3 election_ticks=10 heartbeat_ticks=2 lease_ticks=3\nelect n1\npropose n1 a\nquietly settle\ncrash n3\n"

HOLDS = ("leader n1", "term 1", "committed 2 n1 n2", "committed 2", "voters n1 n2 n3", "down n3", "agreement")
FAILS = {
    "leader n2": "the leader is n1, not n2",
    "leader nobody": "the leader is n1, not nobody",
    "term 2 n2": "term of n2 is 1, not 2",
    "committed 3": "commit of n1 is 2, not 3",
    "committed 2 n3": "commit of n3 is down, not 2",
    "voters n1 n2": "the voters is n1 n2 n3, not n1 n2",
    "down n2": "n2 is follower term=1",
}


@pytest.mark.parametrize("expectation", HOLDS)
def test_an_expectation_that_holds_prints_nothing(expectation: str) -> None:
    given = Scenario(RAFT).run(f"{LED}----\n\nexpect {expectation}\n----\n")

    assert given.endswith(f"expect {expectation}\n----\nok\n")


@pytest.mark.parametrize("expectation", FAILS)
def test_an_expectation_that_fails_is_an_error_that_no_rewriting_accepts(expectation: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario(RAFT).run(f"{LED}expect {expectation}\n----\n")

    assert f"scenario:6: expect {expectation}: {FAILS[expectation]}" in str(caught.value)


def test_nodes_that_have_applied_different_histories_are_no_agreement() -> None:
    with pytest.raises(ScenarioError, match="applied are 1 on n1, 0 on n2, 1 on n3"):
        Scenario(RAFT).run("cluster 3 election_ticks=10 heartbeat_ticks=2 lease_ticks=3\ncut n2\nelect n1\nexpect agreement\n----\n")
