"""Configuration: file, then environment, then flags; every mistake is named before anything starts."""

from pathlib import Path

import pytest

from quorate.cluster.runtime.config import ConfigError, NodeConfig, load, split_address

FILE = """
cluster = "demo"
node = "n1"
data = "/var/lib/quorate"
[peer]
listen = "127.0.0.1:7101"
[client]
listen = "127.0.0.1:7001"
[log]
snapshot_mib = 64
[members.n1]
number = 1
peer = "127.0.0.1:7101"
client = "127.0.0.1:7001"
[members.n2]
number = 2
peer = "127.0.0.1:7102"
client = "127.0.0.1:7002"
"""


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("QUORATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "node.toml"
    made.write_text(FILE)
    return made


def refused(path: Path, **flags: object) -> str:
    with pytest.raises(ConfigError) as error:
        load(path, flags)
    return error.value.message


def test_a_file_gives_a_node_and_the_defaults_for_the_rest(path: Path) -> None:
    config = load(path)

    assert ("demo", "n1", Path("/var/lib/quorate")) == (config.cluster, config.node, config.data)
    assert 64 == config.log.snapshot_mib
    assert 1_000 == config.timing.election_timeout_ms
    assert ("n1", "n2") == config.configuration({"n1": "a", "n2": "b"}).names


def test_the_environment_wins_over_the_file_and_flags_over_both(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_CLUSTER", "from-environment")
    monkeypatch.setenv("QUORATE_LOG__SEGMENT_MIB", "8")
    monkeypatch.setenv("QUORATE_TIMING__HEARTBEAT_MS", "50")
    config = load(path, {"cluster": "from-flags", "timing": {"heartbeat_ms": 70}})

    assert "from-flags" == config.cluster
    assert (8, 64) == (config.log.segment_mib, config.log.snapshot_mib), "one setting of a section leaves the others"
    assert 70 == config.timing.heartbeat_ms
    assert "from-environment" == load(path).cluster


def test_an_empty_variable_counts_as_none_and_a_stranger_is_no_setting(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORATE_CLUSTER", "")
    monkeypatch.setenv("QUORATE_ENDPOINTS", "127.0.0.1:7001")

    assert "demo" == load(path).cluster


def test_a_node_needs_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CLUSTER": "demo",
        "NODE": "n1",
        "DATA": "/tmp/x",
        "PEER__LISTEN": "127.0.0.1:1",
        "CLIENT__LISTEN": "127.0.0.1:2",
        "JOIN": "true",
    }.items():
        monkeypatch.setenv(f"QUORATE_{name}", value)

    assert load(None).join


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"colour": 1}, ["colour: no such setting", "accepted: cluster, node, data"]),
        ({"log": {"colour": 1}}, ["log.colour: no such setting", "segment_mib, snapshot_mib, keep_mib"]),
        ({"members": {"n3": {"colour": 1}}}, ["members.n3.colour: no such setting", "number, peer, client"]),
        ({"peer": {"port": 1}}, ["peer.port: no such setting", "listen, advertise"]),
        ({"log": {"snapshot_mib": "much"}}, ["log.snapshot_mib", "integer", "'much'"]),
        ({"log": {"snapshot_mib": 0}}, ["log.snapshot_mib", "greater than or equal to 1"]),
        ({"log": 5}, ["log:", "got 5"]),
        ({"engine": "paxosish"}, ["engine", "'raft'"]),
        ({"logging": {"level": "loud"}}, ["logging.level", "'debug', 'info', 'warning' or 'error'"]),
        ({"peer": {"listen": "7101"}}, ["peer.listen", "host:port"]),
        ({"peer": {"listen": "h:70000"}}, ["peer.listen", "0 to 65535"]),
        ({"node": "n 1"}, ["node", "letters, digits"]),
        ({"timing": {"heartbeat_ms": 600}}, ["timing", "election_timeout_ms must be at least"]),
        ({"timing": {"lease_ms": 2_000}}, ["timing", "lease_ms must be above heartbeat_ms"]),
        ({"node": "n9"}, ["n9 is not among them (n1, n2)", "join = true"]),
        ({"members": {"n2": {"number": 1}}}, ["every member needs a number of its own"]),
        ({"members": {"n2": {"number": 256}}}, ["members.n2.number", "255"]),
    ],
)
def test_every_mistake_is_named_with_what_is_accepted(path: Path, flags: dict[str, object], words: list[str]) -> None:
    said = refused(path, **flags)

    assert all(word in said for word in (str(path), *words)), said


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    said = refused(path, colour=1, log={"snapshot_mib": 0})

    assert "colour" in said and "snapshot_mib" in said


def test_a_missing_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('cluster = "demo"')

    assert "node: needed" in refused(tmp_path / "node.toml")


@pytest.mark.parametrize("value", ["{", "n1", "[1]"])
def test_a_variable_that_cannot_be_read_is_an_error_of_that_setting(path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("QUORATE_MEMBERS", value)

    assert "members" in refused(path)


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    assert "give an existing file" in refused(tmp_path / "no-such.toml")

    (tmp_path / "broken.toml").write_text("cluster = ")

    assert "not valid TOML" in refused(tmp_path / "broken.toml")

    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")

    assert "not valid TOML" in refused(tmp_path / "binary.toml")
    assert "directory" in refused(tmp_path).lower()


@pytest.mark.parametrize(
    ("address", "parts"),
    [("h:1", ("h", 1)), ("[::1]:80", ("::1", 80)), (":80", ("0.0.0.0", 80)), ("127.0.0.1:0", ("127.0.0.1", 0))],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert parts == split_address(address)


@pytest.mark.parametrize("address", ["", "h", "h:", "h:x", "h:-1", "h:65536", "h:1:", "80"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        split_address(address)


def test_others_are_told_the_advertised_address(path: Path) -> None:
    config: NodeConfig = load(path, {"peer": {"listen": "0.0.0.0:7101", "advertise": "n1.example:7101"}})

    assert ("n1.example:7101", "127.0.0.1:7001") == (config.peer.address, config.client.address)


def test_groups_are_names_or_tables_and_take_what_they_leave_out_from_the_node(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(path, {"priority": 1, "target_priority": 9, "groups": {"orders": {"priority": 9, "machine": "words"}, "users": {}}})

    assert ("orders", "users") == tuple(config.groups)
    assert (9, 9, "words") == (
        config.of_group("orders").priority,
        config.of_group("orders").target_priority,
        config.of_group("orders").machine,
    )
    assert (1, 9, "keyvalue") == (
        config.of_group("users").priority,
        config.of_group("users").target_priority,
        config.of_group("users").machine,
    )
    assert config == config.of_group("default")
    assert ("orders", "users") == tuple(load(path, {"groups": ["orders", "users"]}).groups)
    monkeypatch.setenv("QUORATE_GROUPS", '["a", "b"]')
    assert ("a", "b") == tuple(load(path).groups)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (["orders", "orders"], "named twice: orders"),
        (["default"], "always there"),
        ([".."], "begins with a letter"),
        (["a/b"], "not 'a/b'"),
        (["größe"], "ASCII"),
        ([7], "string"),
        ({"orders": {"prio": 1}}, "groups.orders.prio: no such setting; accepted: machine, priority, target_priority"),
        ({"orders": {"priority": 5}}, "groups.orders.target_priority: -1 is below this node's priority 5"),
    ],
)
def test_a_wrong_group_is_named_with_what_is_accepted(path: Path, groups: object, words: str) -> None:
    assert words in refused(path, groups=groups)


def test_priorities_of_a_group_are_refused_where_the_engine_knows_none(path: Path) -> None:
    assert "groups.orders.priority: zab elects" in refused(path, engine="zab", groups={"orders": {"priority": 1, "target_priority": 1}})
