"""`--json`: every command speaks to machines too, under names that stay."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from quorate.cluster.cli.application import app
from quorate.cluster.cli.logs import as_json
from tests.cluster.cli.conftest import Command, Served


def commands() -> Iterator[tuple[str, set[str]]]:
    """The words of each command, and its options."""
    root = get_command(app)
    context = typer.Context(root)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", {})
        if not below or command.invoke_without_command:
            yield name, {option for parameter in command.get_params(context) for option in parameter.opts}
        for word, each in below.items():
            yield f"{name} {word}", {option for parameter in each.get_params(context) for option in parameter.opts}


def test_every_command_but_the_node_itself_has_json() -> None:
    without = {name for name, options in commands() if "--json" not in options}

    assert {"node"} == without


def said(typed: Command, *words: str) -> object:
    """The one document that the command prints; it succeeds and says nothing else."""
    ran = typed(*words, "--json")
    assert (0, "") == (ran.code, ran.err), ran
    [line] = ran.out.splitlines()
    return json.loads(line)


def test_what_changes_the_members_and_the_leader_says_what_is_so_now(typed: Command, served: Served) -> None:
    assert {"name": "n2", "voter": True} == said(typed, "member", "promote", "n2")
    assert {"name": "n3", "removed": True} == said(typed, "member", "remove", "n3")
    served.do(lambda: served.cluster.member_names.discard("n3"))
    assert {"name": "n3", "number": 4, "storage": "disk-n3", "promote": True} == said(
        typed, "member", "add", "n3", "--client", served.cluster["n3"].address
    )
    assert {"leader": "n2", "address": served.cluster["n2"].address, "term": 2} == said(typed, "leader", "transfer", "n2")
    assert {"id": "s-n1", "index": 0, "term": 2, "size": 10} == said(typed, "snapshot", "n1")


def test_leases_and_compaction(typed: Command) -> None:
    granted = said(typed, "lease", "grant", "30")
    assert isinstance(granted, dict)
    lease = granted["id"]
    typed("put", "k", "v", "--lease", str(lease))

    assert {"id": lease, "ttl_ms": 30_000} == granted
    assert {"id": lease, "left_ms": 30_000} == said(typed, "lease", "keep-alive", str(lease), "--once")
    assert {"id": lease, "deleted": 1, "revision": 2} == said(typed, "lease", "revoke", str(lease))
    assert {"revision": 2, "compacted": 2} == said(typed, "compact", "2")


def test_an_error_is_a_line_on_standard_error_and_the_same_exit_code(typed: Command) -> None:
    for words in (("lease", "revoke", "77"), ("get", "k", "--consistency", "perhaps"), ("member", "add", "n9")):
        plain, machine = typed(*words), typed(*words, "--json")
        assert (plain.code, "", plain.err) == machine
        assert plain.code != 0


def test_up_in_the_foreground_and_a_question_before_wiping_are_for_people(quorate: Command, tmp_path: Path) -> None:
    up = quorate("up", "--json", "--data", str(tmp_path / "none"))
    down = quorate("down", "--wipe", "--json", "--data", str(tmp_path / "none"))

    assert (2, True) == (up.code, "--json goes with --detach" in up.err)
    assert (2, True) == (down.code, "confirm with --yes" in down.err)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "17", '{"half": ', ""])
def test_a_log_line_that_is_no_object_becomes_one(line: str) -> None:
    assert {"node": "n2", "event": line} == json.loads(as_json("n2", line))


def test_a_log_line_that_is_an_object_stays_as_it_was_written() -> None:
    assert '{"event":"ready",  "node":"n1"}' == as_json("n1", '{"event":"ready",  "node":"n1"}')
