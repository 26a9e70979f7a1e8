"""The `quorate` command as a person types it: real processes, a real cluster, real output and exit codes."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster
from quorate.cluster.local.process import identity_of
from tests.support.terminal import RUN_S, Terminal

pytestmark = pytest.mark.process

WAIT_S = 30.0
POLL_S = 0.05


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Terminal]:
    """Three nodes that all tests which only use a cluster share; each leaves them all running."""
    terminal = Terminal(tmp_path_factory.mktemp("shared") / "cluster", engine)
    try:
        up = terminal.up()
        assert 0 == up.code, up
        yield terminal
    finally:
        terminal.clean_up()


@pytest.fixture
def own(tmp_path: Path, engine: str) -> Iterator[Terminal]:
    """A directory without a cluster."""
    terminal = Terminal(tmp_path / "cluster", engine)
    try:
        yield terminal
    finally:
        terminal.clean_up()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(POLL_S)


def read_until(process: "subprocess.Popen[str]", words: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"{words!r} did not come; it said {seen!r}")


def pids(terminal: Terminal) -> list[int]:
    return [node.pid for node in LocalCluster.open(terminal.directory).record.nodes.values()]


def test_up_shows_the_cluster_and_status_agrees(shared: Terminal) -> None:
    status = shared("status")

    assert 0 == status.code
    assert ["n1", "n2", "n3"] == [line.split()[0] for line in status.out.splitlines()[1:4]]
    assert "3 of 3 voters answer; 1 more may fail." in status.out
    up_again = shared("up", "--detach")
    assert (0, True) == (up_again.code, "All 3 nodes run already." in up_again.out)


def test_keys_by_hand(shared: Terminal) -> None:
    put = shared("put", "keys/a", "one")

    assert (0, True) == (put.code, put.out.startswith("revision "))
    assert (0, "one\n", "") == shared("get", "keys/a")
    assert (1, "", "no key 'keys/none'\n") == shared("get", "keys/none")
    assert 0 == shared("put", "keys/b", typed=b"from a pipe").code
    assert (0, "keys/a\tone\nkeys/b\tfrom a pipe\n", "") == shared("range", "keys/")
    assert 0 == shared("cas", "keys/a", "one", "two").code
    assert 1 == shared("cas", "keys/a", "one", "three").code
    assert (0, "two\n", "") == shared("get", "keys/a", "--consistency", "leader")
    assert (0, True) == ((ran := shared("del", "--prefix", "keys/")).code, ran.out.startswith("deleted 2, "))
    assert 1 == shared("range", "keys/").code


def test_a_transaction_from_standard_input(shared: Terminal) -> None:
    text = b"if absent txn/lock\nthen\n  put txn/lock me\nelse\n  get txn/lock\n"

    assert 0 == shared("txn", typed=text).code
    second = shared("txn", typed=text)

    assert (1, True) == (second.code, "get txn/lock: me" in second.out)


def test_a_watch_sees_what_was_and_what_comes(shared: Terminal) -> None:
    revision = int(shared("put", "watched/a", "1").out.split()[1])
    watching = shared.begin("watch", "watched/", "--prefix", "--from-revision", str(revision), "--count", "3", "--json")
    read_until(watching, '"watched/a"')

    shared("put", "watched/b", "2")
    shared("del", "watched/a")
    out, _ = watching.communicate(timeout=RUN_S)

    assert 0 == watching.returncode
    assert [("put", "watched/b"), ("delete", "watched/a")] == [
        (event["change"], event["key"]) for event in map(json.loads, out.splitlines())
    ]


def test_ctrl_c_ends_a_watch_without_an_error(shared: Terminal) -> None:
    watching = shared.begin("watch")
    assert watching.stderr is not None and watching.stderr.readline().startswith("watching every key from revision ")

    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=RUN_S)

    assert (0, "", "") == (watching.returncode, out, err)


def test_a_lease_takes_its_keys_with_it(shared: Terminal) -> None:
    lease = shared("lease", "grant", "60").out.strip()
    shared("put", "leased", "x", "--lease", lease)

    assert [lease, "60", "s", "leased"] == shared("lease", "list", "--keys").out.splitlines()[1].split()
    assert 0 == shared("lease", "keep-alive", lease, "--once").code
    assert 0 == shared("lease", "revoke", lease).code
    assert 1 == shared("get", "leased").code
    assert 1 == shared("lease", "revoke", lease).code


def test_members_the_leader_and_a_hand_over(shared: Terminal) -> None:
    members = shared.json("member", "list")
    assert isinstance(members, list)
    assert ["n1", "n2", "n3"] == [member["name"] for member in members if member["voter"]]
    before = shared.json("leader")
    assert isinstance(before, dict)
    other = next(member["name"] for member in members if member["name"] != before["leader"])

    moved = shared("leader", "transfer", other)

    assert (0, True) == (moved.code, moved.out.startswith(f"{other} leads now"))
    after = shared.json("leader")
    assert isinstance(after, dict)
    assert other == after["leader"] and after["term"] > before["term"]


def test_a_snapshot_by_hand(shared: Terminal) -> None:
    shared("put", "snapped", "x")

    taken = shared.json("snapshot", "n2")

    assert isinstance(taken, dict)
    assert taken["index"] > 0 and taken["size"] > 0


def test_a_small_bench(shared: Terminal) -> None:
    figures = shared.json("bench", "mixed", "--ops", "200", "--in-flight", "8")

    assert isinstance(figures, dict)
    assert 200 == figures["operations"] and not figures["errors"]
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["max_ms"]


@pytest.mark.failover
def test_a_killed_node_is_shown_as_down_and_the_others_serve(shared: Terminal) -> None:
    shared("put", "survives", "yes")

    assert 0 == shared("kill", "leader").code

    assert (0, "yes\n", "") == shared("get", "survives")
    status = shared("status")
    assert 0 == status.code
    [down] = [line.split()[0] for line in status.out.splitlines() if line.split()[1:2] == ["down"]]
    assert f"2 of 3 voters answer; none may fail. Start with `quorate start {down}`." in status.out
    again = shared("start", down)
    assert (0, f"Started {down}.\n") == (again.code, again.out)


def test_without_a_majority_the_error_says_what_to_start(shared: Terminal) -> None:
    shared("kill", "n1", "n2")
    try:
        ran = shared("put", "k", "v", "--timeout", "1")
        status = shared("status")
    finally:
        assert 0 == shared("start").code

    assert 3 == ran.code
    assert "start the others with `quorate start n1 n2`" in ran.err
    assert 3 == status.code
    assert "No leader: 1 of 3 nodes answers." in status.out
    assert 0 == shared("put", "k", "v", "--timeout", "20").code


def test_a_paused_node_is_shown_as_such(shared: Terminal) -> None:
    leader = shared.json("leader")
    assert isinstance(leader, dict)
    other = next(name for name in ("n1", "n2", "n3") if name != leader["leader"])

    shared("kill", other, "--signal", "STOP")
    try:
        status = shared("status")
    finally:
        assert 0 == shared("kill", other, "--signal", "CONT").code

    assert [other, "paused"] in [line.split()[:2] for line in status.out.splitlines()]


def test_logs_are_readable_and_json_on_request(shared: Terminal) -> None:
    text = shared("logs", "n1", "--lines", "1000")
    assert (0, True) == (text.code, "listening" in text.out)
    assert [] == [line for line in text.out.splitlines() if line.split()[1] != "n1"]
    assert "event" in json.loads(shared("logs", "n1", "--lines", "1", "--json").out)


def test_nodes_are_killed_and_started_for_machines_too(shared: Terminal) -> None:
    assert {"signal": "KILL", "nodes": ["n3"]} == shared.json("kill", "n3")
    refused = shared("kill", "n1", "n3")
    back = shared.json("start", "n3")

    assert (2, "") == (refused.code, refused.out)
    assert {"started": ["n3"], "added": None} == back
    assert {"started": [], "added": None} == shared.json("start")
    up = shared.json("up", "--detach")
    assert isinstance(up, dict)
    assert ([], 3, LocalCluster.open(shared.directory).endpoints) == (up["started"], up["answering"], up["endpoints"])


def test_status_goes_on_as_one_document_per_line(shared: Terminal) -> None:
    watching = shared.begin("status", "--watch", "--json")
    assert watching.stdout is not None
    lines = [watching.stdout.readline() for _ in range(2)]

    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=RUN_S)

    assert (0, "") == (watching.returncode, err)
    assert [["n1", "n2", "n3"]] * len(lines) == [[node["node"] for node in json.loads(line)["nodes"]] for line in lines]
    assert out == "" or json.loads(out.splitlines()[-1])


def test_endpoints_stand_above_the_local_cluster(shared: Terminal) -> None:
    shared("put", "reached", "yes")
    endpoints = LocalCluster.open(shared.directory).endpoints

    named = Terminal(shared.directory.with_name("nothing"))

    assert 3 == named("get", "reached").code
    assert (0, "yes\n", "") == named("get", "reached", "--endpoints", endpoints)
    assert (0, "yes\n", "") == named("--endpoints", endpoints, "get", "reached")
    named.environment["QUORATE_ENDPOINTS"] = endpoints.split(",")[1]
    assert (0, "yes\n", "") == named("get", "reached")
    status = named("status")
    assert (0, True) == (status.code, "3 of 3 voters answer" in status.out)


def test_data_survives_down_and_up(own: Terminal) -> None:
    assert 0 == own.up("--nodes", "1", "--set", "timing.lease_ms=150").code
    own("put", "kept", "yes")

    down = own("down")

    assert (0, "Stopped n1.\n") == (down.code, down.out)
    assert {"directory": str(own.directory), "stopped": [], "removed": "nothing"} == own.json("down")
    assert 3 == own("status").code
    assert "start it with `quorate up`" in own("get", "kept").err
    wrong = own("up", "--nodes", "3")
    assert (2, True) == (wrong.code, "has 1 node, not 3" in wrong.err)
    assert 0 == own("up", "--detach").code
    assert (0, "yes\n", "") == own("get", "kept")
    assert 2 == own("down", "--wipe").code, "not without --yes where nobody can be asked"
    assert {"directory": str(own.directory), "stopped": ["n1"], "removed": "all"} == own.json("down", "--wipe", "--yes")
    assert not own.directory.exists()


def voters(terminal: Terminal) -> list[str]:
    listed = terminal("member", "list", "--json")
    return [member["name"] for member in json.loads(listed.out) if member["voter"]] if listed.code == 0 else []


@pytest.mark.failover
def test_a_fourth_node_joins_and_a_wiped_one_is_replaced(own: Terminal) -> None:
    assert 0 == own.up().code
    own("put", "kept", "yes")

    added = own("start", "--new")
    assert (0, True) == (added.code, "n4 is a member" in added.out), added
    wait_until(lambda: voters(own) == ["n1", "n2", "n3", "n4"], "n4 does not vote")
    assert (0, "yes\n", "") == own(
        "get", "kept", "--consistency", "local", "--endpoints", LocalCluster.open(own.directory).client_address("n4")
    )

    own("kill", "n2")
    LocalCluster.open(own.directory).wipe("n2")
    back = own("start", "n2")
    assert (3, True) == (back.code, "quorate member replace n2" in back.err), back
    assert "n2 came back with another disk: `quorate member replace n2`." in own("status").out

    assert 0 == own("member", "replace", "n2").code
    wait_until(lambda: voters(own) == ["n1", "n2", "n3", "n4"], "n2 does not vote again")
    assert 0 == own("member", "remove", "n4").code
    assert ["n1", "n2", "n3"] == voters(own)
    assert "No member: n4" in own("status").out
    fifth = own.json("start", "--new", "--learner")
    assert isinstance(fifth, dict)
    assert (["n5"], "n5", False) == (fifth["started"], fifth["added"]["name"], fifth["added"]["promote"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_in_the_foreground_stops_its_nodes_at_a_signal(own: Terminal, number: signal.Signals) -> None:
    up = own.begin("up", "--engine", own.engine, "--nodes", "1")
    read_until(up, "export QUORATE_ENDPOINTS")
    [pid] = pids(own)

    up.send_signal(number)
    out, err = up.communicate(timeout=RUN_S)

    assert (0, "") == (up.returncode, err)
    assert "Stopped. The data stays" in out
    assert identity_of(pid) is None


def test_nodes_of_a_foreground_up_do_not_outlive_its_kill_9(own: Terminal) -> None:
    up = own.begin("up", "--engine", own.engine, "--nodes", "1")
    read_until(up, "export QUORATE_ENDPOINTS")
    [pid] = pids(own)

    up.kill()
    up.communicate()

    wait_until(lambda: identity_of(pid) is None, "the node runs on")


def test_one_directory_has_one_up_and_down_ends_it(own: Terminal) -> None:
    up = own.begin("up", "--engine", own.engine, "--nodes", "1")
    read_until(up, "export QUORATE_ENDPOINTS")

    second = own("up")
    down = own("down")

    assert (5, True) == (second.code, f"another `quorate up` (pid {up.pid})" in second.err)
    assert 0 == down.code
    assert 0 == up.wait(RUN_S)
    up.communicate()


def test_a_mistyped_setting_is_refused_before_anything_starts(own: Terminal) -> None:
    ran = own("up", "--set", "timing.leese_ms=200")

    assert 2 == ran.code
    assert "timing.leese_ms: no such setting; accepted: " in ran.err
    assert not own.directory.exists()


def test_a_node_with_a_wrong_configuration_says_so(own: Terminal, tmp_path: Path) -> None:
    config = tmp_path / "node.toml"
    config.write_text('cluster = "c"\nnode = "n1"\ncolour = "red"\n')

    ran = own("node", "--config", str(config))

    assert (2, "") == (ran.code, ran.out)
    assert "colour: no such setting" in ran.err and "Traceback" not in ran.err
