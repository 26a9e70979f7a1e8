"""Who may connect to whom. A node must not vote under its old name with a new disk; strangers are refused by name."""

import pytest

from quorate.cluster.runtime.handshake import PROTOCOL_VERSION, Hello, Party
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core import Configuration, Member

KNOWN = Configuration((Member("n1", 1, "disk-1"), Member("n2", 2, "disk-2")), index=40)


def party(configuration: Configuration = KNOWN, *, node: str = "n1", storage: str = "disk-1") -> Party:
    return Party("demo", node, storage, 7, "127.0.0.1:7101", lambda: configuration, engine="raft")


def hello(**changes: object) -> Hello:
    fields: dict[str, object] = {
        "protocol": PROTOCOL_VERSION,
        "cluster": "demo",
        "source": "n2",
        "destination": "n1",
        "incarnation": 1,
        "storage": "disk-2",
        "configuration_index": -1,
        "address": "127.0.0.1:7102",
        "engine": "raft",
        "group_indexes": {},
    }
    return Hello(**(fields | changes))  # type: ignore[arg-type]


def test_a_known_member_with_its_own_disk_is_let_in() -> None:
    assert "disk-1" == party().welcome(hello()).storage


@pytest.mark.parametrize(
    ("changes", "both_sides"),
    [
        ({"protocol": 9}, ["protocol 9", f"speaks {PROTOCOL_VERSION}"]),
        ({"cluster": "other"}, ["'other'", "'demo'"]),
        ({"engine": "zab"}, ["n2 runs the engine zab", "n1 runs raft"]),
        ({"destination": "n3"}, ["n3", "this is n1"]),
        ({"storage": "disk-9"}, ["disk-9", "disk-2", "quorate member replace n2"]),
    ],
)
def test_a_stranger_is_refused_with_an_error_that_names_both_sides(changes: dict[str, object], both_sides: list[str]) -> None:
    with pytest.raises(BadRequest) as refused:
        party().welcome(hello(**changes))

    assert all(side in refused.value.message for side in both_sides), refused.value.message


def test_a_replaced_member_is_let_in_by_a_node_whose_configuration_is_older_than_the_replacement() -> None:
    """Else the replaced node could lead and never reach those that lag behind its replacement."""
    assert party().welcome(hello(storage="disk-9", configuration_index=41)).storage


def test_a_joiner_answers_the_leader_whose_former_disk_its_old_log_names() -> None:
    """Seed 13 of wiped disks in the simulator. 1. n2 lost its disk, was replaced, and leads. 2. n1 is replaced too: the log that
    it is given begins with configurations that name n2's former disk. 3. It must dial n2 all the same, to acknowledge what it
    was given: else it never gets to the newer configuration. 4. Another disk than the one let in is refused still."""
    joiner = party()
    with pytest.raises(BadRequest):
        joiner.check_storage("n2", "disk-9")
    joiner.welcome(hello(storage="disk-9", configuration_index=41))

    joiner.check_storage("n2", "disk-9")
    with pytest.raises(BadRequest):
        joiner.check_storage("n2", "disk-8")


def test_what_a_peer_claimed_counts_no_longer_once_we_know_as_much() -> None:
    configuration = KNOWN
    joiner = Party("demo", "n1", "disk-1", 7, "127.0.0.1:7101", lambda: configuration, engine="raft")
    joiner.welcome(hello(storage="disk-9", configuration_index=41))
    configuration = Configuration(KNOWN.members, index=41)

    with pytest.raises(BadRequest):
        joiner.check_storage("n2", "disk-9")


def test_a_wiped_node_cannot_claim_a_newer_configuration() -> None:
    wiped = party(Configuration(), node="n2", storage="disk-9")

    assert -1 == wiped.hello_to("n1").configuration_index


def test_a_member_says_which_configuration_names_its_disk() -> None:
    assert 40 == party().hello_to("n2").configuration_index
    assert -1 == party(storage="disk-8").hello_to("n2").configuration_index


def test_a_newcomer_that_no_configuration_names_may_connect() -> None:
    assert party().welcome(hello(source="n4", storage="disk-4"))


def test_a_disk_that_the_door_lets_in_already_is_not_heard_in_a_group_that_still_counts_the_lost_one() -> None:
    """1. n2's disk is lost. 2. It is replaced in the default group, so that n2 is let in with its new one. 3. In "orders" its name still
    stands for the lost disk, which may have voted there: the new one must not vote again. 4. "users" knows it already."""
    known = Configuration((Member("n2", 2, "disk-2"),), index=5)
    replaced = Configuration((Member("n2", 4, "disk-9"),), index=8)
    node = Party("demo", "n1", "disk-1", 7, "h:1", lambda: replaced, engine="raft", groups=lambda: {"orders": known, "users": replaced})

    node.welcome(hello(storage="disk-9"))
    assert {"orders"} == node.strange_in(hello(storage="disk-9"))
    assert set() == node.strange_in(hello(source="n3", storage="disk-3")), "whom a group does not know it may come to know"


def test_a_group_hears_a_disk_that_a_newer_configuration_than_ours_names() -> None:
    """A joiner reads old configurations in the log, and must still hear the leader that gives it the log."""
    old = Configuration((Member("n2", 2, "disk-2"),), index=5)
    joiner = Party("demo", "n1", "disk-1", 7, "h:1", Configuration, engine="raft", groups=lambda: {"orders": old})

    assert {"orders"} == joiner.strange_in(hello(storage="disk-9", group_indexes={"orders": 5}))
    assert set() == joiner.strange_in(hello(storage="disk-9", group_indexes={"orders": 6}))


def test_a_hello_claims_only_configurations_that_name_our_disk() -> None:
    groups = {
        "orders": Configuration((Member("n1", 1, "disk-1"),), index=3),
        "users": Configuration((Member("n1", 1, "a former disk"),), index=9),
        "new": Configuration(),
    }
    node = Party("demo", "n1", "disk-1", 7, "h:1", Configuration, engine="raft", groups=lambda: groups)

    assert {"orders": 3} == node.hello_to("n2").group_indexes
