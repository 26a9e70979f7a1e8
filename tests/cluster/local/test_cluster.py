"""Starting, finding, pausing and ending processes that stand in for nodes."""

import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from quorate.cluster.local import LocalCluster, LocalError, NoLocalCluster
from quorate.cluster.local.process import Identity, _identity_by_ps, identity_of, is_running
from quorate.cluster.runtime.config import load
from tests.cluster.local.conftest import scripted

END_S = 10.0


def wait_ended(pid: int) -> None:
    deadline = time.monotonic() + END_S
    while identity_of(pid) is not None:
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.01)


def test_a_cluster_starts_is_ready_and_knows_its_leader(cluster: LocalCluster) -> None:
    assert ("n1", "n2", "n3") == cluster.start()
    cluster.wait_ready()

    assert "n1" == cluster.wait_leader()
    assert all(cluster.is_running(name) for name in cluster.names)
    assert () == cluster.start(), "what runs is left alone"
    assert 3 == len(cluster.endpoints.split(","))


def test_kill_9_and_a_new_start(cluster: LocalCluster) -> None:
    cluster.start()
    first = cluster.pid("n2")

    cluster.kill("n2")

    assert -signal.SIGKILL == cluster.exit_code("n2")
    assert 0 == cluster.pid("n2")
    assert ("n2",) == cluster.start()
    cluster.wait_ready("n2")
    assert cluster.pid("n2") not in (0, first)


def test_a_graceful_stop_ends_with_0(cluster: LocalCluster) -> None:
    cluster.start()
    cluster.wait_ready()

    cluster.stop()

    assert [0, 0, 0] == [cluster.exit_code(name) for name in cluster.names]


def test_a_node_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    with LocalCluster.create(tmp_path / "c", nodes=1, settings={"script": {"deaf": True}}, command=scripted()) as cluster:
        cluster.start()
        cluster.wait_ready()

        cluster.stop(timeout_s=0.1)

        assert -signal.SIGKILL == cluster.exit_code("n1")


def test_a_paused_node_does_not_answer_and_can_be_resumed_or_stopped(cluster: LocalCluster) -> None:
    cluster.start()
    cluster.wait_ready()

    cluster.pause("n1")

    assert cluster.record.nodes["n1"].paused
    assert cluster.statuses(timeout_s=0.1)["n1"] is None
    cluster.resume("n1")
    assert cluster.status("n1").ready
    cluster.pause("n1")
    cluster.stop("n1")
    assert 0 == cluster.exit_code("n1")


def test_a_node_that_ends_at_once_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    with LocalCluster.create(tmp_path / "c", nodes=1, settings={"script": {"exit": 7}}, command=scripted()) as cluster:
        cluster.start()
        wait_ended(cluster.record.nodes["n1"].pid)

        with pytest.raises(LocalError, match=r"n1 ended with exit code 7(.|\n)*the disk is on fire"):
            cluster.wait_ready()


def test_a_deadline_that_passes_names_the_node(cluster: LocalCluster) -> None:
    cluster.start()
    cluster.wait_ready()
    cluster.pause("n2")

    with pytest.raises(LocalError, match=r"n2 is not ready after 0\.01 s: "):
        cluster.wait_ready("n2", timeout_s=0.01)


def test_everything_is_found_again_through_the_directory(cluster: LocalCluster) -> None:
    cluster.start()
    cluster.wait_ready()

    again = LocalCluster.open(cluster.directory.path)

    assert (cluster.endpoints, cluster.pid("n2")) == (again.endpoints, again.pid("n2"))
    again.kill("n2")
    assert not cluster.is_running("n2")


def test_a_pid_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_node(cluster: LocalCluster) -> None:
    mine = identity_of(os.getpid())
    assert mine is not None
    with cluster.directory.changing() as record:
        record.nodes["n1"] = replace(record.nodes["n1"], pid=mine.pid, started="another/1")

    assert not cluster.is_running("n1")
    cluster.kill("n1")
    assert is_running(mine)


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps on this machine")
def test_processes_are_told_apart_without_proc_too() -> None:
    mine = _identity_by_ps(os.getpid())

    assert mine == _identity_by_ps(os.getpid())
    assert mine is not None and mine.started
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert _identity_by_ps(child.pid) is None


def test_a_zombie_does_not_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    wait_ended(child.pid)

    assert not is_running(Identity(child.pid, "anything"))
    child.wait()


def test_attached_nodes_end_with_whoever_started_them_even_by_kill_9(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from quorate.cluster.local import LocalCluster\n"
        "from tests.cluster.local.conftest import scripted\n"
        "cluster = LocalCluster.create(Path(sys.argv[1]), nodes=2, command=scripted())\n"
        "cluster.start(); cluster.wait_ready(); print('ready', flush=True); sys.stdin.read()\n"
    )
    root = Path(__file__).parents[3]
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "c")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root
    )
    assert starter.stdout is not None and b"ready\n" == starter.stdout.readline()
    cluster = LocalCluster.open(tmp_path / "c")
    pids = [cluster.pid(name) for name in cluster.names]
    assert all(pids)

    starter.kill()
    starter.communicate()

    for pid in pids:
        wait_ended(pid)


def test_detached_nodes_live_on(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from quorate.cluster.local import LocalCluster\n"
        "from tests.cluster.local.conftest import scripted\n"
        "cluster = LocalCluster.create(Path(sys.argv[1]), nodes=1, attached=False, command=scripted(attached=False))\n"
        "cluster.start(); cluster.wait_ready()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "c")], cwd=Path(__file__).parents[3], check=True)

    with LocalCluster.open(tmp_path / "c") as cluster:
        assert cluster.status("n1").ready


def test_the_configuration_of_a_node_is_one_that_a_node_accepts(cluster: LocalCluster) -> None:
    cluster.configure("n2", {"timing": {"lease_ms": 200}, "faults": {"files": True}})
    cluster.configure_all({"timing": {"lease_ms": 300, "heartbeat_ms": 50}})
    cluster.start()

    config = load(cluster.directory.node_path("n2") / "node.toml")

    assert ("n2", 200, 50, True) == (config.node, config.timing.lease_ms, config.timing.heartbeat_ms, config.faults.files)
    assert {"n1", "n2", "n3"} == set(config.members)
    assert 300 == load(cluster.directory.node_path("n1") / "node.toml").timing.lease_ms


def test_one_more_node_waits_to_be_added_and_is_no_founder(cluster: LocalCluster) -> None:
    name = cluster.add_node()
    cluster.start(name)

    values = tomllib.loads((cluster.directory.node_path(name) / "node.toml").read_text("utf-8"))

    assert ("n4", True) == (name, values["join"])
    assert {"n1", "n2", "n3"} == set(values["members"])


def test_a_second_cluster_in_one_directory_is_refused(cluster: LocalCluster) -> None:
    with pytest.raises(LocalError, match="already holds a local cluster"):
        LocalCluster.create(cluster.directory.path)


def test_a_directory_without_a_cluster_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NoLocalCluster, match="start one with `quorate up`"):
        LocalCluster.open(tmp_path / "nothing")


@pytest.mark.parametrize("text", ["not json", '{"format": 99}', '{"format": 1, "nodes": {"n1": {"colour": 1}}}', '{"format": 1}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "cluster.json").write_text(text)

    with pytest.raises(LocalError, match=r"cluster\.json"):
        LocalCluster.open(tmp_path)


def test_a_wiped_node_has_lost_its_data_and_nothing_else(cluster: LocalCluster) -> None:
    cluster.data_path("n2").mkdir(parents=True)
    (cluster.data_path("n2") / "log").write_bytes(b"x")
    cluster.start("n2")

    with pytest.raises(LocalError, match="n2 runs"):
        cluster.wipe("n2")
    cluster.kill("n2")
    cluster.wipe("n2")

    assert not cluster.data_path("n2").exists()
    assert cluster.log_path("n2").exists()


def test_destroy_leaves_nothing_but_what_is_not_its_own(cluster: LocalCluster) -> None:
    cluster.start()
    (cluster.directory.path / "notes.txt").write_text("mine")

    cluster.destroy()

    assert ["notes.txt"] == [path.name for path in cluster.directory.path.iterdir()]


def test_an_unknown_node_is_named_with_those_that_exist(cluster: LocalCluster) -> None:
    with pytest.raises(LocalError, match=r"no node 'n9' in this cluster; it has n1, n2, n3"):
        cluster.kill("n9")


def test_only_one_up_holds_a_directory(cluster: LocalCluster) -> None:
    other = LocalCluster.open(cluster.directory.path)
    cluster.directory.hold_up()

    with pytest.raises(LocalError, match=rf"another `quorate up` \(pid {os.getpid()}\)"):
        other.directory.hold_up()
    assert other.directory.up_is_held()
    cluster.directory.release_up()
    assert not other.directory.up_is_held()
