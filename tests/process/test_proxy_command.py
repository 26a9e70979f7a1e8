"""`quorate proxy` and `quorate up --proxy` as a person runs them."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

CONFIGURATION = """
control = "127.0.0.1:0"
[nodes.n1]
peer = "127.0.0.1:1"
client = "127.0.0.1:2"
[nodes.n2]
peer = "127.0.0.1:3"
"""


def quorate(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "quorate.cluster.cli.main", *words], capture_output=True, text=True, timeout=120)


def test_the_table_of_ports_is_printed_and_a_signal_ends_it_well(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    config.write_text(CONFIGURATION)
    with subprocess.Popen(
        [sys.executable, "-m", "quorate.cluster.cli.main", "proxy", str(config)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline().split() for _ in range(5)]
        running.send_signal(signal.SIGTERM)

        assert 0 == running.wait(30)
    assert ["LINK", "DIAL", "LEADS", "TO", "FOR"] == lines[0]
    assert ["n1>n2", "n2>n1", "client>n1"] == [line[0] for line in lines[1:4]]
    assert ["127.0.0.1:3", "127.0.0.1:1", "127.0.0.1:2"] == [line[2] for line in lines[1:4]]
    assert "Control:" == lines[4][0]


def test_a_file_that_is_wrong_is_an_error_that_names_it(tmp_path: Path) -> None:
    config = tmp_path / "cluster.toml"
    config.write_text("[nodes.n1]\npeer = 'nowhere'\n")
    ended = quorate("proxy", str(config))

    assert 2 == ended.returncode
    assert f"{config}: nodes.n1.peer: an address is host:port" in ended.stderr


def test_up_with_a_proxy_tells_its_address_and_down_leaves_nothing(tmp_path: Path) -> None:
    place = str(tmp_path / "cluster")
    up = quorate("up", "--proxy", "--detach", "--json", "--data", place)
    try:
        assert 0 == up.returncode, up.stderr
        told = json.loads(up.stdout)
        assert told["proxy"].startswith("127.0.0.1:")
        assert 0 == quorate("put", "greeting", "hello", "--data", place).returncode
        again = quorate("start", "--new", "--data", place)
        assert "it cannot grow" in again.stderr
    finally:
        down = quorate("down", "--wipe", "--yes", "--data", place)

    assert 0 == down.returncode, down.stderr
    assert not Path(place).exists()
