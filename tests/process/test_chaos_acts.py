"""Each kind of live fault on one cluster of real nodes behind a real proxy: what it does, whom it hits, and that it is taken back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from quorate import connect
from quorate.cluster.chaos.acts import Acts
from quorate.cluster.chaos.units import NotAFault
from quorate.cluster.chaos.vocabulary import parse
from quorate.cluster.local import LocalCluster
from quorate.cluster.wire.errors import BadRequest
from tests.support.chaos import quiet, until_touched, while_it_lasts, write
from tests.support.waiting import until
from tests.support.workload import Workload

pytestmark = pytest.mark.process

SETTINGS = {"faults": {"files": True, "admin": True}, "timing": {"election_timeout_ms": 500, "heartbeat_ms": 50, "lease_ms": 100}}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path_factory.mktemp("chaos"), proxied=True, engine=engine, settings=SETTINGS) as made:
        made.start()
        made.wait_ready()
        yield made


@pytest.fixture
async def acts(cluster: LocalCluster) -> AsyncIterator[Acts]:
    async with Acts(cluster) as made:
        yield made
        healed = await made.heal()
        assert healed.healed, healed


@pytest.mark.parametrize(
    ("text", "touched"),
    [
        ("jitter 3ms±3ms", "frames delayed"),
        ("drop 10%", "frames dropped"),
        ("duplicate 50%", "frames duplicated"),
        ("reorder 50% 20ms", "frames overtaken"),
        ("corrupt 5%", "frames damaged"),
        ("bandwidth 1MB/s", "frames delayed"),
        ("tear 5%", "frames torn"),
        ("reset --after 50ms", "connections reset"),
        ("half-open --link one-follower:leader", "frames dropped"),
        ("black-hole --link one-follower:leader", "frames dropped"),
        ("refuse --link one-follower:leader", "connections reset"),
        ("cut --link leader:one-follower", "frames dropped"),
        ("flapping 50ms --link leader:one-follower", "frames dropped"),
        ("swizzle 300ms --link leader:one-follower", "frames dropped"),
        ("drop 100% --only Append,Proposal,Fetched,Accept --first 1 --link leader:*", "frames dropped"),
    ],
)
async def test_a_fault_of_links_touches_frames(cluster: LocalCluster, acts: Acts, text: str, touched: str) -> None:
    ongoing = await while_it_lasts(cluster, acts, text)

    assert ongoing.touched[touched] > 0, ongoing.touched
    assert not ongoing.touched_nothing
    assert all(link.state == "open" for link in (await acts.status()).links.values())


async def test_a_mix_touches_with_each_of_its_parts_or_it_touched_nothing(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.begin(parse("delay 1ms + duplicate 100%"))
    await until_touched(cluster, acts, ongoing)
    await write(cluster)
    await acts.end(ongoing)
    assert not ongoing.touched_nothing

    ongoing = await acts.begin(parse("delay 1ms + duplicate 0.0001%"))
    await until_touched(cluster, acts, ongoing)
    await acts.end(ongoing)

    assert 0 == ongoing.touched["frames duplicated"]
    assert ongoing.touched_nothing


async def test_the_isolated_leader_is_another_node_s_follower_soon_and_named_in_the_fault(cluster: LocalCluster, acts: Acts) -> None:
    leader = await asyncio.to_thread(cluster.wait_leader)
    ongoing = await acts.begin(parse("isolate leader"), ttl_s=60)
    await asyncio.to_thread(cluster.wait_leader, other_than=leader)
    await write(cluster, without=leader)
    await acts.end(ongoing)

    assert {f"{leader}>{name}" for name in cluster.names if name != leader} <= set(ongoing.links)
    assert f"isolate leader ({leader})" == ongoing.text
    assert ongoing.touched["frames dropped"] > 0


async def test_what_touched_nothing_says_so(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.end(await acts.begin(parse("drop 100% --only Snapshot --link client:n1")))

    assert {"frames dropped": 0, "frames held": 0} == ongoing.touched
    assert ongoing.touched_nothing


async def test_a_time_to_live_is_kept_by_the_proxy_and_what_was_touched_is_told_afterwards(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.begin(parse("delay 1ms"), ttl_s=0.2)
    await write(cluster)
    await quiet(acts)
    await acts.end(ongoing)

    assert ongoing.touched["frames delayed"] > 0


async def test_the_newer_of_two_faults_rules_the_link_that_both_name(cluster: LocalCluster, acts: Acts) -> None:
    older = await acts.begin(parse("delay 1ms --link n1:*"))
    newer = await acts.begin(parse("cut --link n1:n2"))
    links = (await acts.status()).links
    ruled = {name: view.by for name, view in links.items() if view.by}
    await acts.end(newer)
    after = (await acts.status()).links["n1>n2"].by

    assert {"n1>n2": newer.id, "n1>n3": older.id} == ruled
    assert {older.id: ("n1>n2",)} == newer.took_over
    assert older.id == after


# -- processes


async def test_a_killed_node_is_started_at_the_end(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.begin(parse("kill leader"))
    [dead] = ongoing.nodes
    assert not cluster.is_running(dead)
    await write(cluster, without=dead)
    await acts.end(ongoing)
    await asyncio.to_thread(cluster.wait_ready, dead)

    assert {"processes": 1} == ongoing.touched
    assert f"kill leader ({dead})" == ongoing.text


async def test_all_are_killed_and_healed_and_remember(cluster: LocalCluster, acts: Acts) -> None:
    async with connect(cluster.endpoints, timeout=20) as client:
        await client.put("kept", "yes")
    ongoing = await acts.begin(parse("kill all"))
    assert not any(map(cluster.is_running, cluster.names))
    healed = await acts.heal()
    async with connect(cluster.endpoints, timeout=20) as client:
        found = await client.get("kept")

    assert healed.healed, healed
    assert {"processes": 3} == ongoing.touched
    assert found is not None and b"yes" == found.value


async def test_a_paused_node_stands_still_until_the_end(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.begin(parse("pause one-follower"), ttl_s=60)
    [name] = ongoing.nodes
    assert "paused" == (await acts.status()).nodes[name].process
    await write(cluster, without=name)
    await acts.end(ongoing)

    assert "running" == (await acts.status()).nodes[name].process


async def test_a_paused_node_goes_on_when_its_time_is_over_whoever_forgot_it(cluster: LocalCluster) -> None:
    async with Acts(cluster) as forgetful:
        [name] = (await forgetful.begin(parse("pause random"), ttl_s=0.3, seed=3)).nodes
        await until(lambda: not cluster.record.nodes[name].paused, f"{name} goes on")


async def test_heal_finds_what_others_have_broken(cluster: LocalCluster, acts: Acts) -> None:
    await asyncio.to_thread(cluster.pause, "n1")
    await asyncio.to_thread(cluster.kill, "n2")
    await asyncio.to_thread(cluster.call, "n3", "fault_clock", 700, 0, 0)
    async with Acts(cluster) as others:
        await others.begin(parse("cut --link n1:n3"))
    healed = await acts.heal()
    again = await acts.heal()

    assert healed.healed, healed
    assert (["n1"], ["n2"], ["n3"], 1) == (healed.resumed, healed.started, healed.clocks, len(healed.links))
    assert 9 == healed.probed
    assert (True, [], [], [], []) == (again.healed, again.links, again.resumed, again.started, again.clocks)


async def test_a_power_cut_loses_what_was_not_synced_and_nothing_that_was_acknowledged(cluster: LocalCluster, acts: Acts) -> None:
    """Torn: the beginning of the last write reached the disk, and the node says so when it starts."""
    async with Workload(cluster.endpoints) as load:
        for how in ("--lose-unsynced", "--torn-tail"):
            await load.progress(100)
            ongoing = await acts.begin(parse(f"kill leader {how}"), seed=5)
            await acts.end(ongoing)
            await asyncio.to_thread(cluster.wait_ready, *ongoing.nodes)
            assert ongoing.touched["bytes not synced"] > 0
        await load.progress(100)
        await load.stop()

        assert [] == await load.verify()
    assert "torn tail cut" in cluster.log_path(ongoing.nodes[0]).read_text("utf-8")


# -- clocks and disks


@pytest.mark.parametrize(("text", "offset"), [("clock n3 +5s", 5_000), ("clock n3 -2s", -2_000)])
async def test_a_clock_is_wrong_until_the_end(cluster: LocalCluster, acts: Acts, text: str, offset: int) -> None:
    ongoing = await acts.begin(parse(text))
    wrong = (await acts.status()).nodes["n3"].condition
    await acts.end(ongoing)
    right = (await acts.status()).nodes["n3"].condition

    assert wrong is not None and offset == wrong.clock_offset_ms
    assert 0 < wrong.clock_ends_in_ms <= 30_000
    assert right is not None and right.sound
    assert {"clocks": 1} == ongoing.touched


async def test_a_node_ends_its_faults_by_itself(cluster: LocalCluster, acts: Acts) -> None:
    await acts.begin(parse("clock n1 drift 200000ppm"), ttl_s=0.05)
    await acts.begin(parse("slow-disk n1 5ms"), ttl_s=0.05)

    await quiet(acts)


@pytest.mark.parametrize(
    ("text", "touched"),
    [
        ("slow-disk all 5ms", "fsyncs slowed"),
        ("stall-disk one-follower", "fsyncs slowed"),
        ("lying-disk all", "fsyncs skipped"),
        ("full-disk leader", "writes refused"),
        ("fail-disk leader", "writes refused"),
    ],
)
async def test_a_bad_disk_is_felt_and_the_node_is_back_at_the_end(cluster: LocalCluster, acts: Acts, text: str, touched: str) -> None:
    ongoing = await acts.begin(parse(text), ttl_s=60)
    await write(cluster, without=ongoing.nodes[0] if len(ongoing.nodes) == 1 else "")
    await acts.end(ongoing)
    await asyncio.to_thread(cluster.wait_ready)

    assert ongoing.touched[touched] > 0, ongoing.touched
    assert all(node.condition is not None and node.condition.sound for node in (await acts.status()).nodes.values())


@pytest.mark.parametrize(("first", "second"), [("slow-disk n1 5ms", "slow-disk n1 7ms"), ("clock n1 +5s", "clock n1 +2s")])
async def test_the_newer_of_two_faults_of_a_device_rules_and_the_end_of_the_older_changes_nothing(
    cluster: LocalCluster, acts: Acts, first: str, second: str
) -> None:
    older = await acts.begin(parse(first))
    newer = await acts.begin(parse(second))
    before = (await acts.status()).nodes["n1"].condition
    await acts.end(older)
    between = (await acts.status()).nodes["n1"].condition
    await acts.end(newer)
    after = (await acts.status()).nodes["n1"].condition

    assert before is not None and between is not None and after is not None
    assert (before.disk, before.clock_offset_ms) == (between.disk, between.clock_offset_ms)
    assert after.sound and not between.sound


async def test_a_flipped_bit_is_refused_and_the_member_is_replaced_by_heal(cluster: LocalCluster, acts: Acts) -> None:
    await write(cluster)
    ongoing = await acts.begin(parse("flip-bit one-follower"))
    [name] = ongoing.nodes
    assert not cluster.is_running(name)
    assert "refuses to start" in ongoing.notes[-1] and "quorate member replace" in ongoing.notes[-1], ongoing.notes
    async with Acts(cluster) as others:
        healed = await others.heal()

    storage = cluster.status(name).storage
    await acts.end(ongoing)

    assert healed.healed, healed
    assert [name] == healed.replaced
    assert storage == cluster.status(name).storage  # what is healed already is left alone
    assert (cluster.directory.node_path(name) / "data.damaged" / "wal").is_dir()


async def test_a_node_whose_disk_was_wiped_does_not_vote_until_it_is_replaced(cluster: LocalCluster, acts: Acts) -> None:
    ongoing = await acts.begin(parse("wipe-disk one-follower"))
    [name] = ongoing.nodes
    await until(lambda: cluster.statuses()[name] is not None, f"{name} answers")
    assert not cluster.status(name).ready
    await acts.end(ongoing)
    await asyncio.to_thread(cluster.wait_ready, name)

    assert {"disks lost": 1} == ongoing.touched


@pytest.mark.parametrize("text", ["wipe-disk n1,n2", "flip-bit n1,n2"])
async def test_disks_are_not_lost_where_the_others_are_no_quorum(cluster: LocalCluster, acts: Acts, text: str) -> None:
    """And refusing it costs nobody a disk or a process."""
    before = [(cluster.pid(name), cluster.status(name).storage) for name in cluster.names]
    with pytest.raises(NotAFault, match="that is no quorum"):
        await acts.begin(parse(text))

    assert before == [(cluster.pid(name), cluster.status(name).storage) for name in cluster.names]


async def test_what_cannot_be_killed_is_not_started_either(cluster: LocalCluster, acts: Acts) -> None:
    await asyncio.to_thread(cluster.kill, "n3")
    with pytest.raises(NotAFault, match="n3 is not running"):
        await acts.begin(parse("kill n1,n3"))

    assert (True, False) == (cluster.is_running("n1"), cluster.is_running("n3"))


# -- members


@pytest.mark.parametrize("text", ["remove one-follower", "remove leader", "learner one-follower"])
async def test_a_member_leaves_or_only_learns_and_votes_again_at_the_end(cluster: LocalCluster, acts: Acts, text: str) -> None:
    ongoing = await acts.begin(parse(text))
    [name] = ongoing.nodes
    others = ",".join(cluster.client_address(each) for each in cluster.names if each != name)
    async with connect(others, timeout=20) as client:
        before = {member.name: member.voter for member in await client.members()}
        await acts.end(ongoing)
        healed = await acts.heal()
        after = {member.name: member.voter for member in await client.members()}

    assert before.get(name) is (False if text.startswith("learner") else None)
    assert healed.healed, healed
    assert dict.fromkeys(cluster.names, True) == after


async def test_the_leadership_is_handed_over(cluster: LocalCluster, acts: Acts) -> None:
    leader = await asyncio.to_thread(cluster.wait_leader)
    ongoing = await acts.begin(parse("transfer one-follower"))

    assert ongoing.ended_ns is not None
    assert leader not in ongoing.nodes


# -- what cannot be


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("isolate n9", "no node 'n9'"),
        ("cut --link n1:n1", "no link n1>n1; there are: n1>n2"),
        ("cut --link n1:client", ""),
        ("ring", "a ring, for instance, needs four nodes"),
        ("corrupt 1% --link client:n1", "without corrupt"),
        ("partition minority / n1,n2,n3", "stands on both sides"),
    ],
)
async def test_a_fault_that_cannot_be_changes_nothing(cluster: LocalCluster, acts: Acts, text: str, complaint: str) -> None:
    if not complaint:
        await acts.begin(parse(text))
        return
    with pytest.raises(BadRequest, match=complaint):
        await acts.begin(parse(text))

    assert not acts.ongoing
    assert all(link.state == "open" for link in (await acts.status()).links.values())


async def test_a_cluster_without_proxy_or_switches_says_how_to_begin_with_them(tmp_path: Path) -> None:
    with LocalCluster.create(tmp_path, nodes=1) as plain:
        plain.start()
        plain.wait_ready()
        async with Acts(plain) as acts:
            with pytest.raises(BadRequest, match="quorate up --proxy"):
                await acts.begin(parse("drop 1%"))
            with pytest.raises(BadRequest, match="quorate up --faults"):
                await acts.begin(parse("slow-disk n1 5ms"))
            with pytest.raises(BadRequest, match="quorate up --faults"):
                await acts.begin(parse("kill n1 --torn-tail"))

            assert plain.is_running("n1")
