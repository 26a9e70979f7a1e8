"""Fault transactions on links that nothing listens for, with time in the test's hand."""

import pytest
from pydantic import ValidationError

from quorate.cluster.faults.network import ProxyNetwork, Upstream
from quorate.cluster.faults.payloads import TransactionPayload, explain
from quorate.cluster.faults.transactions import Transactions, UnknownTransaction
from quorate.cluster.wire.errors import BadRequest, Unavailable
from tests.cluster.faults.lines import MS, HandTiming

NAMES = ("n1", "n2", "n3", "n4", "n5")


class World:
    def __init__(self, *names: str, leader: str | None = "n2") -> None:
        self.timing = HandTiming()
        self.network = ProxyNetwork({name: Upstream("127.0.0.1:1", "127.0.0.1:2") for name in names or NAMES}, self.timing)
        self.asked = 0

        async def find() -> str | None:
            self.asked += 1
            return leader

        self.transactions = Transactions(self.network, find)

    async def put(self, id: str, *faults: dict[str, object], ttl_s: float = 10, seed: int = 0) -> dict[str, list[str]]:
        payload = TransactionPayload.model_validate({"id": id, "ttl_s": ttl_s, "seed": seed, "faults": faults})
        return (await self.transactions.put(payload))[1]

    def cut(self) -> list[str]:
        return [link.name for link in self.network.links.values() if link.fault.rule.cut]

    def by(self, name: str) -> str:
        return next(link.by for link in self.network.links.values() if link.name == name)


async def test_a_transaction_is_set_on_all_its_links_and_ends_by_itself() -> None:
    world = World()
    await world.put("slow", {"links": ["n1>n2", "n3>*"], "delay_ms": 5}, ttl_s=2)
    slow = [link.name for link in world.network.links.values() if link.fault.rule.delay_ns == 5 * MS]
    assert ["n1>n2", "n3>n1", "n3>n2", "n3>n4", "n3>n5"] == slow
    world.timing.pass_ms(1_999)
    assert "slow" == world.by("n1>n2")
    world.timing.pass_ms(1)

    assert all(link.is_open and not link.by for link in world.network.links.values())
    assert {"slow": "expired"} == await world.transactions.heal("slow")


async def test_nothing_is_changed_where_anything_is_wrong() -> None:
    world = World()
    with pytest.raises(BadRequest, match="no node 'n9'; there are n1, n2, n3, n4, n5, and the words leader"):
        await world.put("x", {"links": ["n1>n2"], "cut": True}, {"links": ["n1>n9"], "cut": True})

    assert [] == world.cut()
    assert {} == world.transactions.living


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"links": ["n1>n1"], "cut": True}, "no link n1>n1; there are: n1>n2"),
        ({"links": ["n1"], "cut": True}, "a link is written source>destination"),
        ({"links": ["client>n9"], "cut": True}, "no node 'n9'"),
        ({"links": ["client>n1"], "corrupt": 1}, "client frames have no checksum"),
        ({"links": ["client>n1"], "duplicate": 1}, "client>n1 is a stream, which neither doubles nor reorders"),
        ({"links": ["n1>n2"], "mode": "stream", "duplicate": 1}, "n1>n2 is a stream"),
        ({"shape": {"kind": "isolate", "node": "follower"}}, "'follower' means n1, n3, n4, n5 here, but one node is needed"),
        ({"shape": {"kind": "halves", "left": ["n1", "n2"], "right": ["n2"]}}, "n2 stands on both sides"),
        ({"shape": {"kind": "ring", "nodes": ["n1", "n2", "n3"]}}, "takes no link"),
    ],
)
async def test_a_fault_that_cannot_be_is_an_error_that_says_why(fault: dict[str, object], message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        await World().put("x", fault)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ttl_s": 0}, "ttl_s: Input should be greater than 0"),
        ({"ttl_s": 1e9}, "ttl_s: Input should be less than or equal to 3600"),
        ({"id": "a b"}, "id: a name is"),
        ({"faults": []}, "faults: List should have at least 1"),
        ({"faults": [{"links": ["n1>n2"]}]}, "faults.0: this fault does nothing"),
        ({"faults": [{"cut": True}]}, "faults.0: a fault needs either links or a shape"),
        ({"faults": [{"links": ["n1>n2"], "delya_ms": 5}]}, "faults.0.delya_ms: no such field"),
        ({"faults": [{"links": ["n1>n2"], "drop": 10}]}, "faults.0.drop: Input should be less than or equal to 1"),
        ({"faults": [{"links": ["n1>n2"], "reorder": 0.5}]}, "reorder needs reorder_ms"),
        ({"faults": [{"links": ["n1>n2"], "cut": True, "only": ["Appendix"]}]}, "only: no message type 'Appendix'; known: "),
        ({"faults": [{"shape": {"kind": "star"}}]}, "faults.0.shape: Input tag 'star'"),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, object], message: str) -> None:
    good: dict[str, object] = {"id": "x", "ttl_s": 1, "faults": [{"links": ["n1>n2"], "cut": True}]}
    with pytest.raises(ValidationError) as raised:
        TransactionPayload.model_validate(good | changed)

    assert message in explain(raised.value)


async def test_on_a_link_of_two_transactions_the_newer_rules_until_it_ends() -> None:
    """
    1. "slow" takes all links, then "cut" one of them.
    2. "cut" ends: "slow" rules again there; the other links never changed, and their frames count on.
    3. "cut" outlives "slow": nothing rules after both.
    """
    world = World("n1", "n2", "n3")
    await world.put("slow", {"links": ["*"], "delay_ms": 5}, ttl_s=5)
    lane = world.network.links["n3", "n1"].lane
    assert {"slow": ["n1>n2"]} == await world.put("cut", {"links": ["n1>n2"], "cut": True}, ttl_s=2)
    assert ("cut", "slow") == (world.by("n1>n2"), world.by("n2>n1"))
    world.timing.pass_ms(2_000)
    assert "slow" == world.by("n1>n2")
    await world.put("cut", {"links": ["n1>n2"], "cut": True}, ttl_s=20)
    assert lane is world.network.links["n3", "n1"].lane
    world.timing.pass_ms(3_000)
    assert ("cut", "") == (world.by("n1>n2"), world.by("n3>n1"))
    await world.transactions.heal()

    assert "" == world.by("n1>n2")


async def test_an_id_that_lives_is_replaced_in_one_step() -> None:
    world = World()
    await world.put("x", {"links": ["n1>n2"], "cut": True}, ttl_s=1)
    await world.put("x", {"links": ["n2>n3"], "cut": True}, ttl_s=10)
    world.timing.pass_ms(5_000)

    assert ["n2>n3"] == world.cut()


async def test_to_heal_again_says_how_it_ended_and_to_heal_what_never_was_is_an_error() -> None:
    world = World()
    await world.put("x", {"links": ["n1>n2"], "cut": True})
    assert {"x": "healed"} == await world.transactions.heal("x")
    assert {"x": "healed"} == await world.transactions.heal("x")
    assert {} == await world.transactions.heal()
    with pytest.raises(UnknownTransaction, match="no fault transaction 'y'; living: none"):
        await world.transactions.heal("y")


async def test_shapes_take_the_links_that_their_names_say() -> None:
    for shape, expected in (
        ({"kind": "isolate", "node": "leader"}, {"n2"}),
        ({"kind": "halves", "left": ["n1", "n2"], "right": ["n3", "n4", "n5"]}, {"n1", "n2"}),
    ):
        world = World()
        await world.put("x", {"shape": shape})
        assert sorted(f"{a}>{b}" for a in NAMES for b in NAMES if (a in expected) != (b in expected)) == sorted(world.cut())
    world = World()
    await world.put("x", {"shape": {"kind": "one-way", "sources": ["leader"], "destinations": ["*"]}})
    assert ["n2>n1", "n2>n3", "n2>n4", "n2>n5"] == world.cut()
    world = World()
    await world.put("x", {"shape": {"kind": "bridge"}})
    assert not any("n3" in link for link in world.cut()) and 8 == len(world.cut())
    world = World()
    await world.put("x", {"shape": {"kind": "ring"}})
    assert 10 == len(world.cut())


async def test_a_minority_is_chosen_by_the_seed_and_holds_the_node_that_was_named() -> None:
    few = []
    for seed in (1, 1, 2, 3, 4):
        world = World()
        await world.put("x", {"shape": {"kind": "minority", "node": "leader"}}, seed=seed)
        few.append({link.split(">")[0] for link in world.cut() if link.endswith((">n1", ">n3", ">n4", ">n5", ">n2"))})
        assert 12 == len(world.cut())
        assert "n2>" in "".join(world.cut())
    world = World()
    await world.put("x", {"links": ["minority>majority"], "cut": True}, seed=1)

    assert 6 == len(world.cut())


async def test_a_shape_with_a_fault_of_its_own_does_that_instead_of_cutting() -> None:
    world = World()
    await world.put("x", {"shape": {"kind": "isolate", "node": "n1"}, "delay_ms": 9})

    assert [] == world.cut()
    assert 8 == sum(link.fault.rule.delay_ns == 9 * MS for link in world.network.links.values())


async def test_flapping_links_go_down_and_up_until_the_end() -> None:
    world = World("n1", "n2", "n3")
    await world.put("x", {"shape": {"kind": "flapping", "links": ["n1>n2"], "half_period_ms": 100, "count": 3}})
    seen = []
    for _ in range(7):
        seen.append(bool(world.cut()))
        world.timing.pass_ms(100)

    assert [True, False, True, False, True, False, False] == seen


async def test_swizzled_links_stop_one_by_one_and_heal_one_by_one() -> None:
    world = World("n1", "n2", "n3")
    await world.put("x", {"shape": {"kind": "swizzle", "step_ms": 100}}, seed=3)
    counts = []
    for _ in range(13):
        counts.append(len(world.cut()))
        world.timing.pass_ms(100)

    assert [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0, 0] == counts


async def test_the_leader_is_asked_for_only_where_it_is_named_and_nobody_leads_is_an_error() -> None:
    world = World(leader=None)
    await world.put("x", {"links": ["n1>n2"], "cut": True})
    assert 0 == world.asked
    with pytest.raises(Unavailable, match="nobody leads now"):
        await world.put("y", {"links": ["leader>*"], "cut": True})
