"""The documents tell the truth: the README's commands run, in its order, on a real cluster, and print what it shows.

```console          `$ ` begins a command (a trailing `\\` continues it), the lines below are its output
```python           a program: its first line, `# name.py`, is the file that a later command runs
<!-- varies -->     before a console block: numbers, node names and the width of a table may differ
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from quorate.cluster.runtime.config import load
from quorate.protocols.simulation.raft_view import RAFT
from quorate.protocols.simulation.scenario import Scenario

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"(?P<varies><!-- varies -->\n+)?```(?P<language>console|python)\n(?P<body>.*?)```\n", re.DOTALL)
COMMAND_S = 120
"""The longest command of the tour starts three nodes on a busy machine."""


class Step(NamedTuple):
    """A command of the tour and what it must print; or a program to write."""

    command: str
    output: str
    varies: bool
    program: str = ""


def steps(text: str) -> Iterator[Step]:
    """The tour, in its order."""
    for block in FENCE.finditer(text):
        body, varies = block["body"], bool(block["varies"])
        if block["language"] == "python":
            name = body.partition("\n")[0].removeprefix("# ")
            assert name.endswith(".py"), f"a program of the README begins with its file's name, not {name!r}"
            yield Step(name, "", False, body)
            continue
        for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            command, output = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL).groups()  # type: ignore[union-attr]  # always matches
            yield Step(command, output.strip("\n"), varies)


VARYING = (
    (re.compile(r"(?<!\S)/\S+"), "PATH"),
    (re.compile(r"\d+(\.\d+)?"), "#"),
    (re.compile(r"\bn#"), "NODE"),
    (re.compile(r"\b(leader|follower)\b"), "ROLE"),
    (re.compile(r"# (ms|s|min|h)\b"), "TIME"),
)


def shape(output: str) -> list[list[str]]:
    """What stays the same from run to run: the words of each line, whatever the numbers, times, paths and node names."""
    for pattern, word in VARYING:
        output = pattern.sub(word, output)
    return [line.split() for line in output.splitlines()]


class Tour:
    """A folder, and an environment in which `quorate` is this checkout's and its local cluster is the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {
            "PATH": path,
            "QUORATE_LOCAL": str(folder / "cluster"),
            "COLUMNS": "120",
            "NO_COLOR": "1",
            "TERM": "dumb",
        }
        self.environment.pop("QUORATE_ENDPOINTS", None)

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=COMMAND_S
        )
        assert done.returncode in (0, 1), f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return "\n".join(line.rstrip() for line in (done.stdout + done.stderr).strip("\n").splitlines())


@pytest.fixture
def tour(tmp_path: Path) -> Iterator[Tour]:
    tour = Tour(tmp_path)
    yield tour
    tour.run("quorate down || true")


def test_a_block_is_read_as_commands_with_their_output() -> None:
    text = "<!-- varies -->\n```console\n$ one \\\n  more\nout\nput\n$ two\n```\n\n```python\n# p.py\nprint()\n```\n"

    expected = [Step("one \\\n  more", "out\nput", True), Step("two", "", True), Step("p.py", "", False, "# p.py\nprint()\n")]
    assert expected == list(steps(text))


@pytest.mark.process
def test_the_tour_prints_what_the_readme_shows(tour: Tour) -> None:
    done = 0
    for step in steps((ROOT / "README.md").read_text("utf-8")):
        if step.program:
            (tour.folder / step.command).write_text(step.program, "utf-8")
            continue
        output = tour.run(step.command)
        done += 1
        tour.environment.update(re.findall(r"export (\w+)=(\S+)", output))
        if step.varies:
            assert shape(step.output) == shape(output), step.command
        else:
            assert step.output == output, step.command

    assert done >= 10


def test_the_configuration_file_is_accepted(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```\n", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block
    file = tmp_path / "n1.toml"
    file.write_text(block[1], "utf-8")

    assert ("n1", "n2", "n3") == tuple(load(file).members)


def test_the_scenario_of_contributing_gives_what_it_shows() -> None:
    block = re.search(r"```scenario\n(.*?)```\n", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)
    assert block

    assert block[1].rstrip() == Scenario(RAFT).run(block[1]).rstrip()


def test_the_two_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for script in ("scripts/quickstart", "scripts/test"):
        assert script in text
        assert os.access(ROOT / script, os.X_OK), script


@pytest.mark.process
def test_the_first_command_works_from_another_folder_twice(tmp_path: Path) -> None:
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix, "QUORATE_LOCAL": str(tmp_path / "cluster")}
    for _ in range(2):
        done = subprocess.run(
            [ROOT / "scripts/quickstart"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=COMMAND_S
        )
        assert done.returncode == 0, done.stdout + done.stderr
