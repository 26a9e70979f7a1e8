"""What is shown of a cluster, and the sentence under it: what is wrong and what to do."""

import json
from dataclasses import replace

import pytest

from quorate.cluster.cli.overview import NodeView, View, as_json, look, other_groups, rows, sentence
from quorate.cluster.client.status import GroupStatus, MemberStatus, NodeStatus
from tests.cluster.cli.conftest import Command, Served

MEMBERS = tuple(MemberStatus(name=f"n{number}", number=number, storage=f"disk-n{number}") for number in (1, 2, 3))


def said(name: str, role: str = "follower", *, term: int = 2, applied: int = 10, members: tuple[MemberStatus, ...] = MEMBERS) -> NodeStatus:
    group = GroupStatus(role=role, term=term, leader="n1", commit=10, applied=applied, keys=5, members=members)
    return NodeStatus(node=name, storage=f"disk-{name}", uptime_ms=61_000, groups={"default": group})


def node(name: str, role: str = "follower", *, applied: int = 10, term: int = 2) -> NodeView:
    return NodeView(name, f"127.0.0.1:{name[1:]}", said(name, role, applied=applied, term=term))


def silent(name: str, problem: str = "down") -> NodeView:
    return NodeView(name, f"127.0.0.1:{name[1:]}", None, problem)


def view(*nodes: NodeView, local: bool = True) -> View:
    return View(list(nodes), is_local=local)


def test_a_healthy_cluster_can_lose_one() -> None:
    seen = view(node("n1", "leader"), node("n2"), node("n3", applied=7))

    assert "n1 leads; 3 of 3 voters answer; 1 more may fail." == sentence(seen)
    assert ["n3", "follower", "2", "10", "7", "3", "5", "1 min 1 s", "127.0.0.1:3"] == rows(seen)[0][2]


def test_with_one_down_none_may_fail_and_the_command_that_starts_it_is_named() -> None:
    seen = view(node("n1", "leader"), node("n2"), silent("n3"))

    assert "n1 leads; 2 of 3 voters answer; none may fail. Start with `quorate start n3`." == sentence(seen)
    assert ["n3", "down", "", "", "", "", "", "", "127.0.0.1:3"] == rows(seen)[0][2]


def test_without_a_leader() -> None:
    assert "No leader: 1 of 3 nodes answers. Start with `quorate start n1 n2`." == sentence(view(silent("n1"), silent("n2"), node("n3")))
    assert "No leader: 0 of 2 nodes answer. Start them with `quorate up`." == sentence(view(silent("n1"), silent("n2")))
    assert "No leader: 0 of 1 node answer. Start or check n1 127.0.0.1:1." == sentence(view(silent("n1", "no answer"), local=False))


def test_without_a_leader_although_all_answer_a_node_says_why() -> None:
    waiting = NodeView("n1", "127.0.0.1:1", NodeStatus(node="n1", ready_detail="waiting for n2"))

    assert (
        "No leader: 1 of 1 node answers. n1 says: waiting for n2. "
        "An election takes about a second; if this stays, `quorate logs` shows more." == sentence(view(waiting))
    )


def test_log_shipping_needs_no_quorum_and_says_what_may_be_lost() -> None:
    seen = view(node("n1", "leader"), node("n2"), silent("n3"))
    for one in seen.nodes:
        if one.said is not None:
            one.said = replace(one.said, engine="logship")
    remedy = "Start with `quorate start n3`."

    assert (
        f"n1 leads; 2 of 3 voters answer; it needs none of them, and with it acknowledged writes may be lost (logship). {remedy}"
        == sentence(seen)
    )
    seen.nodes[0] = silent("n1")
    assert "Nobody is elected: let the primary come back, or see `quorate member promote-by-hand --help`. Start with" in sentence(seen)


def test_a_paused_node_can_go_on() -> None:
    said = sentence(view(node("n1", "leader"), node("n2"), silent("n3", "paused")))

    assert said.endswith("Let it go on with `quorate kill n3 --signal CONT`.")


def test_the_leader_of_the_highest_term_is_the_leader() -> None:
    seen = view(node("n1", "leader", term=2), node("n2", "leader", term=3), node("n3", term=3))

    assert seen.leader is not None
    assert "n2" == seen.leader.name


def test_a_node_with_another_disk_does_not_count_as_a_voter() -> None:
    wiped = NodeView("n3", "127.0.0.1:3", NodeStatus(node="n3", storage="new", groups={"default": GroupStatus(role="learner")}))

    seen = view(node("n1", "leader"), node("n2"), wiped)

    assert "n1 leads; 2 of 3 voters answer; none may fail. n3 came back with another disk: `quorate member replace n3`." == sentence(seen)
    assert "other disk" == rows(seen)[0][2][1]


def test_a_node_that_is_no_member_is_shown_as_such() -> None:
    seen = view(node("n1", "leader"), node("n2"), node("n3"), node("n4", "learner"))

    said_of_all = "n1 leads; 3 of 3 voters answer; 1 more may fail."
    assert f"{said_of_all} No member: n4 (`quorate member add n4`)." == sentence(seen)
    assert "no member" == rows(seen)[0][3][1]
    seen.is_local = False
    assert f"{said_of_all} No member: n4 (`quorate member add n4 --client 127.0.0.1:4`)." == sentence(seen)


def test_learners_are_named() -> None:
    members = (*MEMBERS[:2], MemberStatus(name="n3", number=3, voter=False, storage="disk-n3"))
    leader = NodeView("n1", "127.0.0.1:1", said("n1", "leader", members=members))

    assert "n1 leads; 2 of 2 voters answer, learners: n3; none may fail." == sentence(view(leader, node("n2"), node("n3", "learner")))


def test_json_holds_what_every_node_said() -> None:
    shown = json.loads(json.dumps(as_json(view(node("n1", "leader"), silent("n2")))))

    assert ("n1", 1) == (shown["leader"], shown["answering"])
    assert [True, False] == [each["answers"] for each in shown["nodes"]]
    assert 10 == shown["nodes"][0]["groups"]["default"]["commit"]


def test_one_endpoint_is_enough_to_see_all_members(served: Served) -> None:
    seen = look([served.cluster["n2"].address])

    assert ["n1", "n2", "n3"] == [each.name for each in seen.nodes]
    assert "n1 leads; 3 of 3 voters answer; 1 more may fail." == sentence(seen)


def test_a_node_that_crashed_is_known_from_the_others(served: Served) -> None:
    served.do(served.cluster["n3"].crash)

    seen = look([served.cluster["n1"].address])

    assert [("n1", ""), ("n2", ""), ("n3", "down")] == [(each.name, each.problem) for each in seen.nodes]


@pytest.mark.parametrize("words", [("--endpoints",), ("-e",)])
def test_status_prints_the_table_and_the_sentence(quorate: Command, served: Served, words: tuple[str, ...]) -> None:
    ran = quorate("status", *words, served.cluster.endpoints)

    assert 0 == ran.code
    lines = ran.out.splitlines()
    assert ["NODE", "ROLE", "TERM"] == lines[0].split()[:3]
    assert "n1 leads; 3 of 3 voters answer; 1 more may fail." == lines[-1]


def test_status_without_a_leader_exits_with_3(quorate: Command, served: Served) -> None:
    served.do(lambda: served.cluster.lead(None))

    assert 3 == quorate("status", "--endpoints", served.cluster.endpoints).code


def test_who_leads_which_group_is_said_in_a_line() -> None:
    def node(name: str, *leads: str) -> NodeView:
        groups = {group: GroupStatus(role="leader" if group in leads else "follower", term=1) for group in ("default", "orders", "users")}
        return NodeView(name, f"127.0.0.1:{name[1:]}", NodeStatus(node=name, groups=groups))

    assert "3 groups: n1 leads default, orders; nobody leads users." == other_groups(
        View([node("n1", "default", "orders"), node("n2")], True)
    )
    alone = NodeView("n1", "127.0.0.1:1", NodeStatus(node="n1", groups={"default": GroupStatus(role="leader")}))
    assert "" == other_groups(View([alone], True))
