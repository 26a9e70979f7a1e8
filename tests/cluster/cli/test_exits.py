"""Exit codes, errors in words, and which cluster a command means."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from quorate.cluster.cli.application import app
from quorate.cluster.cli.exits import Exit, UsageError, exit_code, explain
from quorate.cluster.cli.nodes import parse_settings
from quorate.cluster.cli.output import Column, duration, plain_table, text_of
from quorate.cluster.cli.surroundings import Surroundings
from quorate.cluster.local import NoLocalCluster, NotReady
from quorate.cluster.runtime.config import ConfigError
from quorate.cluster.wire.errors import (
    REGISTRY,
    BadRequest,
    ChangeRefused,
    LeaseNotFound,
    NotLeader,
    Overloaded,
    QuorateError,
    SessionExpired,
    TooLarge,
    Unavailable,
    Uncertain,
)
from tests.cluster.cli.conftest import Command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest(), Exit.USAGE),
        (UsageError(), Exit.USAGE),
        (ConfigError(), Exit.USAGE),
        (Unavailable(), Exit.UNAVAILABLE),
        (NotLeader(), Exit.UNAVAILABLE),
        (NoLocalCluster(), Exit.UNAVAILABLE),
        (NotReady(), Exit.UNAVAILABLE),
        (Uncertain(), Exit.UNCERTAIN),
        (SessionExpired(), Exit.UNCERTAIN),
        (LeaseNotFound(), Exit.NO),
        (TooLarge(), Exit.REFUSED),
        (Overloaded(), Exit.REFUSED),
        (ChangeRefused(), Exit.REFUSED),
    ],
)
def test_the_exit_code_says_what_kind_of_error_it_was(error: QuorateError, code: Exit) -> None:
    assert code == exit_code(error)


def test_only_what_may_have_happened_is_called_uncertain() -> None:
    for kind in REGISTRY.values():
        error = kind.__new__(kind)  # some kinds take more than words
        QuorateError.__init__(error, "it broke")
        assert kind.definite == explain(error).startswith("error: it broke")
        assert kind.definite == (exit_code(error) is not Exit.UNCERTAIN)


def test_an_error_says_what_to_do_next_once() -> None:
    assert "error: busy\n  next: repeat it after a pause" == explain(Overloaded("busy."))
    assert "error: gone\n  next: start n2" == explain(Unavailable("gone"), "start n2")
    assert "error: gone; start n2" == explain(Unavailable("gone; start n2"), "start n2")
    assert explain(Uncertain("lost")).startswith("uncertain: lost\n  next: read the key")


def test_the_cluster_that_is_named_nearest_to_the_command_is_meant(tmp_path: Path) -> None:
    here = Surroundings(environment={"QUORATE_ENDPOINTS": "e:1", "QUORATE_LOCAL": str(tmp_path), "HOME": "/nowhere"})

    assert "o:1" == here.named_endpoints("o:1")
    assert "e:1" == here.named_endpoints(None)
    assert here.named_endpoints(None, "some/directory") is None
    here.endpoints = "g:1"
    assert "g:1" == here.named_endpoints(None)
    assert tmp_path == here.directory(None)
    assert Path("/other") == here.directory("/other")


def test_the_default_directory_follows_the_custom_of_the_system() -> None:
    assert Path("/h/.local/state/quorate/local") == Surroundings(environment={"HOME": "/h"}).directory(None)
    assert Path("/s/quorate/local") == Surroundings(environment={"HOME": "/h", "XDG_STATE_HOME": "/s"}).directory(None)


def test_without_any_cluster_the_error_names_all_ways_to_one(quorate: Command) -> None:
    ran = quorate("get", "k")

    assert 3 == ran.code
    for words in ("quorate up", "--endpoints", "QUORATE_ENDPOINTS"):
        assert words in ran.err


@pytest.mark.parametrize(
    "words", [("frobnicate",), ("get",), ("get", "k", "--colour"), ("bench", "juggle"), ("watch", "--prefix"), ("kill",)]
)
def test_a_command_that_cannot_be_understood_exits_with_2(quorate: Command, words: tuple[str, ...]) -> None:
    ran = quorate(*words)

    assert 2 == ran.code
    assert "Traceback" not in ran.err


def test_endpoints_that_are_none_are_named(quorate: Command) -> None:
    ran = quorate("get", "k", "--endpoints", "nonsense")

    assert (2, True) == (ran.code, 'write "host:port"' in ran.err)


def test_an_unreachable_cluster_is_3_and_names_the_address(quorate: Command) -> None:
    ran = quorate("put", "k", "v", "--endpoints", "127.0.0.1:1", "--timeout", "0.2")

    assert 3 == ran.code
    assert "127.0.0.1:1" in ran.err


def test_every_command_shows_how_it_is_used(quorate: Command) -> None:
    command = get_command(app)
    groups: dict[str, list[str]] = {name: list(getattr(each, "commands", ())) for name, each in command.commands.items()}  # type: ignore[attr-defined]
    names = [(name,) for name in groups] + [(group, name) for group, below in groups.items() for name in below]

    for words in names:
        ran = quorate(*words, "--help")
        assert 0 == ran.code
        assert "Example" in ran.out, words


def test_an_installed_package_adds_a_command(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text("def add(app):\n    app.command('hello')(lambda: print('hello to you'))\n")
    information = tmp_path / "greeting-1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1\n")
    (information / "entry_points.txt").write_text("[quorate.commands]\nhello = greeting:add\n")
    command = [sys.executable, "-m", "quorate.cluster.cli.main", "hello"]

    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)

    assert (0, "hello to you\n", "") == (done.returncode, done.stdout, done.stderr)


def test_version(quorate: Command) -> None:
    assert quorate("--version").out.startswith("quorate ")


def test_settings_are_nested_and_typed_as_in_a_file() -> None:
    assert {"timing": {"lease_ms": 200, "heartbeat_ms": 50}, "faults": {"files": True}, "node": "n1"} == parse_settings(
        ["timing.lease_ms=200", "timing.heartbeat_ms = 50", "faults.files=true", "node=n1"]
    )


@pytest.mark.parametrize("setting", ["lease_ms", "=3", "timing.=3", ".x=3"])
def test_a_setting_that_is_none_is_refused(setting: str) -> None:
    with pytest.raises(UsageError, match="--set takes NAME=VALUE"):
        parse_settings([setting])
    with pytest.raises(UsageError, match="timing has a value already"):
        parse_settings(["timing=1", "timing.lease_ms=2"])


def test_durations_are_read_at_a_glance() -> None:
    assert ["340 ms", "12 s", "3 min 4 s", "2 h", "4 d 3 h"] == [
        duration(ms) for ms in (340, 12_345, 184_000, 7_200_000, (4 * 24 + 3) * 3_600_000)
    ]


def test_text_never_carries_what_a_terminal_would_obey() -> None:
    assert "a\\x1b[31m\\n\\xff é" == text_of(b"a\x1b[31m\n" + b"\xff" + " é".encode())


def test_numbers_stand_to_the_right() -> None:
    assert "NAME   N\na     10\nlong   9" == plain_table([Column("NAME"), Column("N", number=True)], [["a", "10"], ["long", "9"]])
