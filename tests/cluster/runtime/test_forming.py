"""How an empty disk begins: with all others, later than the others, or not at all. Real connections on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from quorate.cluster.runtime.config import Listener, MemberConfig, NodeConfig
from quorate.cluster.runtime.forming import Forming
from quorate.cluster.runtime.handshake import Party
from quorate.cluster.runtime.peers import PeerNetwork
from quorate.protocols.core import Configuration


class Member:
    """One node as far as forming goes: a listener, a storage id, and perhaps a cluster that it knows."""

    def __init__(self, name: str, storage: str) -> None:
        self.known = Configuration()
        self.party = Party("demo", name, storage, 1, "127.0.0.1:1", lambda: self.known, engine="raft")
        self.network = PeerNetwork(self.party, lambda group, sender, message: None, lambda peer: None)
        self.address = ""

    async def listen(self) -> None:
        await self.network.listen("127.0.0.1:0")
        assert self.network.port is not None
        self.address = f"127.0.0.1:{self.network.port}"

    def knows(self, initial: Configuration, now: Configuration | None = None) -> None:
        """This node is part of the cluster that began with `initial` and now is `now`."""
        self.party.bootstrap = initial.encode()
        self.party.member = True
        self.known = now or initial


@asynccontextmanager
async def members(*names: str) -> AsyncIterator[dict[str, Member]]:
    made = {name: Member(name, f"disk-{name}") for name in names}
    for member in made.values():
        await member.listen()
    try:
        yield made
    finally:
        for member in made.values():
            await member.network.close()


def config(node: str, made: dict[str, Member]) -> NodeConfig:
    rows = {name: MemberConfig(number=i, peer=member.address, client="127.0.0.1:1") for i, (name, member) in enumerate(made.items(), 1)}
    listener = Listener(listen="127.0.0.1:0")
    return NodeConfig(cluster="demo", node=node, data=Path("unused"), peer=listener, client=listener, members=rows)


def forming(node: str, made: dict[str, Member]) -> Forming:
    return Forming(config(node, made), made[node].party)


async def test_fresh_members_that_all_answer_form_one_cluster_from_the_same_answers() -> None:
    async with members("n1", "n2", "n3") as made:
        found = [await forming(name, made).run() for name in made]

    assert found[0] == found[1] == found[2]
    assert ["disk-n1", "disk-n2", "disk-n3"] == [member.storage for member in found[0].members]


async def test_nobody_forms_a_cluster_while_a_member_that_might_know_one_is_silent() -> None:
    async with members("n1", "n2", "n3") as made:
        await made["n3"].network.close()
        one = forming("n1", made)
        found, missing = await one._ask_all()

    assert found is None
    assert [f"n3 ({made['n3'].address})"] == missing


async def test_a_member_that_is_late_begins_as_the_others_did() -> None:
    async with members("n1", "n2", "n3") as made:
        initial = config("n1", made).configuration({name: f"disk-{name}" for name in made})
        made["n1"].knows(initial)
        found = await forming("n2", made).run()

    assert initial == found


async def test_a_wiped_member_does_not_form_a_second_cluster_with_another_fresh_one() -> None:
    async with members("n1", "n2", "n3") as made:
        old = config("n1", made).configuration({"n1": "disk-n1", "n2": "the-disk-that-was", "n3": "disk-n3"})
        made["n1"].knows(old)
        one = forming("n2", made)
        found = await one.run()

    assert Configuration() == found
    assert "quorate member replace n2" in one.detail


async def test_a_peer_that_hangs_up_is_asked_again() -> None:
    async with members("n1", "n2") as made:
        address = made["n2"].address
        await made["n2"].network.close()
        waiting = asyncio.create_task(forming("n1", made).run())
        await asyncio.sleep(0)
        again = made["n2"] = Member("n2", "disk-n2")
        await again.network.listen(address)
        found = await waiting

    assert ("n1", "n2") == found.names


async def test_the_answer_of_a_member_that_came_later_does_not_hide_how_the_cluster_began() -> None:
    """n1 took the place of an initial member: it knows the cluster, but not its beginning. n2 knows both."""
    async with members("n1", "n2", "n3") as made:
        initial = config("n2", made).configuration({name: f"disk-{name}" for name in made})
        made["n1"].knows(Configuration(), initial)
        made["n1"].party.bootstrap = b""
        made["n2"].knows(initial)
        found = await forming("n3", made).run()

    assert initial == found


async def test_where_nobody_knows_the_beginning_a_fresh_disk_waits_to_be_added() -> None:
    async with members("n1", "n2") as made:
        made["n1"].knows(Configuration())
        made["n1"].party.bootstrap = b""
        one = forming("n2", made)
        found = await one.run()

    assert Configuration() == found
    assert "quorate member add n2" in one.detail


async def test_a_member_of_another_cluster_is_waited_for_and_named() -> None:
    async with members("n1", "n2") as made:
        made["n2"].party.cluster = "another"
        one = forming("n1", made)
        found, missing = await one._ask_all()

    assert found is None
    assert "'another'" in missing[0] and "'demo'" in missing[0], missing
