"""The programs of scripts/chaos against real nodes: each breaks something, prints its table and ends with the checker's verdict."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster

pytestmark = pytest.mark.process

FOLDER = Path(__file__).parents[2] / "scripts" / "chaos"
PROGRAMS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "laboratory")
RUN_S = 180.0


def play(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *words], capture_output=True, text=True, timeout=RUN_S, check=False)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster that all programs break one after the other; each must leave it whole."""
    directory = tmp_path_factory.mktemp("chaos") / "cluster"
    with LocalCluster.create(directory, proxied=True) as cluster:
        cluster.start()
        cluster.wait_ready()
        yield directory
        cluster.wait_ready()


def rows(said: str, heading: str) -> list[list[str]]:
    """The cells below the line of headings."""
    lines = said[said.index(heading) :].split("\n\n")[0].splitlines()[1:]
    return [re.split(r" {2,}", line.strip()) for line in lines]


def test_a_minority_gives_no_answer_and_a_majority_gives_all(running: Path) -> None:
    done = play("cap", "--data", str(running))

    assert 0 == done.returncode, done.stdout + done.stderr
    answers = {row[0]: row[1:] for row in rows(done.stdout, "ASKED") if len(row) == 3}
    assert ["done", '"new"', '"new"'] == [inside for inside, _ in answers.values()]
    assert answers["write"][1].startswith("no answer: ")
    assert answers["linearizable read"][1].startswith("no answer: ")
    assert '"old", which is out of date' == answers["local read"][1]
    assert 'answers a linearizable read with "new".' in done.stdout


@pytest.mark.parametrize(
    ("name", "words", "heading", "count"),
    [
        ("jitter", ("--seconds", "0.5"), "PHASE", 4),
        ("reordering", ("--seconds", "1"), "PHASE", 3),
        ("leader_kill", ("--rounds", "1"), "ROUND", 1),
        ("soak", ("--minutes", "0.001", "--seed", "2"), "ROUND", 1),
    ],
)
def test_what_is_broken_is_counted_and_what_clients_were_told_is_linearizable(
    name: str, words: tuple[str, ...], heading: str, count: int, running: Path
) -> None:
    done = play(name, "--data", str(running), *words)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert count == len(rows(done.stdout, heading)), done.stdout
    assert "\nVALID: " in done.stdout


def test_two_primaries_lose_what_one_of_them_acknowledged_and_the_checker_sees_it() -> None:
    done = play("split_brain", "--seconds", "1")

    assert 1 == done.returncode, done.stdout + done.stderr
    (former, acknowledged, gone), (promoted, kept, none) = rows(done.stdout, "PRIMARY")
    assert (former.endswith(", cut off"), promoted.endswith(", promoted by hand")) == (True, True)
    assert acknowledged == gone
    assert acknowledged != "0" != kept
    assert "0" == none
    assert "\nINVALID: " in done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_program_says_what_it_is_and_is_short(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text("utf-8")

    assert "Exit code: " in (ast.get_docstring(ast.parse(text)) or "")
    assert "run(__doc__, " in text
    assert len(text.splitlines()) < 120


def test_help_says_what_a_program_shows_and_takes() -> None:
    done = play("leader_kill", "--help")

    assert 0 == done.returncode, done.stderr
    assert all(words in done.stdout for words in ("Kill the leader again and again", "--rounds ROUNDS", "default: 3", "--data DIR"))


def test_a_directory_without_a_cluster_is_named(tmp_path: Path) -> None:
    done = play("cap", "--data", str(tmp_path))

    assert 64 == done.returncode
    assert str(tmp_path) in done.stderr


def test_a_cluster_without_a_fault_proxy_is_refused_with_what_to_do(tmp_path: Path) -> None:
    LocalCluster.create(tmp_path / "cluster")
    done = play("jitter", "--data", str(tmp_path / "cluster"))

    assert 64 == done.returncode, done.stdout
    assert "quorate up --proxy" in done.stderr
