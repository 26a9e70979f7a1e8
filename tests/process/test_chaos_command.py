"""`quorate chaos` as a person types it, on a cluster that `quorate up --proxy --faults` began. However it ends, nothing stays broken."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.cluster.local import LocalCluster
from tests.support.waiting import until

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "quorate.cluster.cli.main"]


class Terminal:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        self.environment["QUORATE_LOCAL"] = str(directory)

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=self.environment, timeout=120)

    def chaos(self, *words: str) -> dict[str, Any]:
        ran = self("chaos", *words, "--json")
        assert 0 == ran.returncode, ran
        answer = json.loads(ran.stdout)
        assert isinstance(answer, dict)
        return answer

    def begin(self, *words: str) -> "subprocess.Popen[str]":
        """In the foreground; returns when it has said what it holds."""
        running = subprocess.Popen([*COMMAND, "chaos", *words], stdout=subprocess.PIPE, text=True, env=self.environment)
        assert running.stdout is not None
        assert "Ctrl-C ends it" in running.stdout.readline()
        return running

    @property
    def cluster(self) -> LocalCluster:
        return LocalCluster.open(self.directory, attached=False)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    made = Terminal(tmp_path_factory.mktemp("chaos") / "cluster")
    up = made("up", "--proxy", "--faults", "--detach")
    try:
        assert 0 == up.returncode, up
        yield made
    finally:
        made("down", "--wipe", "--yes")


def test_links_are_cut_looked_at_and_healed_by_their_id(terminal: Terminal) -> None:
    told = terminal.chaos("isolate", "leader", "--for", "5m")
    [leader] = told["nodes"]
    status = terminal.chaos("status")
    healed = terminal.chaos("heal", told["id"])
    again = terminal("chaos", "heal", told["id"])
    unknown = terminal("chaos", "heal", "nobody-1")

    assert {f"{leader}>{other}" for other in ("n1", "n2", "n3") if other != leader} <= set(told["links"])
    assert {name for name, link in status["links"].items() if link["does"] == "cut"} == set(told["links"])
    assert {"id": told["id"], "ended": "healed"} == healed
    assert (0, f"{told['id']} is healed.\n") == (again.returncode, again.stdout)
    assert (2, True) == (unknown.returncode, "no fault transaction 'nobody-1'" in unknown.stderr)


def test_a_fault_whose_time_is_over_is_no_error_to_heal(terminal: Terminal) -> None:
    told = terminal.chaos("delay", "1ms", "--for", "200ms", "--hold")
    late = terminal("chaos", "heal", told["id"])

    assert (True, True) == (told["ended"], told["touched"]["frames delayed"] > 0)
    assert late.stdout in (f"{told['id']} had expired already.\n", f"{told['id']} is healed.\n")


def test_disks_and_clocks_are_broken_and_heal_says_which(terminal: Terminal) -> None:
    terminal.chaos("slow-disk", "n2", "3ms")
    terminal.chaos("clock", "n3", "-300ms")
    status = terminal.chaos("status")
    healed = terminal.chaos("heal")

    assert {"sync_delay_ms": 3} == status["nodes"]["n2"]["disk"]
    assert -300 == status["nodes"]["n3"]["clock_offset_ms"]
    assert (True, ["n2"], ["n3"], 9) == tuple(healed[name] for name in ("healed", "disks", "clocks", "probed"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_pause_early(terminal: Terminal, number: signal.Signals) -> None:
    with terminal.begin("pause", "n1", "--for", "5m") as running:
        assert terminal.cluster.record.nodes["n1"].paused
        running.send_signal(number)

        assert 0 == running.wait(60)
    assert not terminal.cluster.record.nodes["n1"].paused


async def test_a_paused_node_goes_on_although_the_command_was_killed(terminal: Terminal) -> None:
    with terminal.begin("pause", "n1", "--for", "5m") as running:
        assert terminal.cluster.record.nodes["n1"].paused
        running.kill()
    await until(lambda: not terminal.cluster.record.nodes["n1"].paused, "n1 goes on")


def test_a_killed_node_is_back_however_the_command_ends_and_stays_when_it_has_ended(terminal: Terminal) -> None:
    with terminal.begin("kill", "one-follower", "--for", "5m") as running:
        [dead] = [name for name in terminal.cluster.names if not terminal.cluster.is_running(name)]
        running.send_signal(signal.SIGINT)

        assert 0 == running.wait(60)
    terminal.cluster.wait_ready(dead)


def test_events_are_followed(terminal: Terminal) -> None:
    words = [*COMMAND, "chaos", "events", "--since", "0", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=terminal.environment) as following:
        told = terminal.chaos("cut", "n1:n2", "--for", "100ms")
        assert following.stdout is not None
        seen = set()
        for line in following.stdout:
            event = json.loads(line)
            if event.get("id") == told["id"]:
                seen.add(event["event"])
            if "expired" in seen:
                break
        following.send_signal(signal.SIGINT)

        assert 0 == following.wait(60)
    assert {"faults", "expired"} == seen
