"""Real nodes behind a real proxy: what each partition does to a cluster, and that no connection goes around the proxy."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from quorate import connect
from quorate.cluster.local import LocalCluster, LocalError
from tests.support.waiting import until
from tests.support.workload import Workload

pytestmark = pytest.mark.process

ESTABLISHED = "01"
"""State of a connection in /proc/net/tcp."""
KINDS = ("dropped", "duplicated", "inverted", "corrupted")


@pytest.fixture
def cluster(tmp_path: Path, engine: str) -> Iterator[LocalCluster]:
    with LocalCluster.create(tmp_path, engine=engine, proxied=True) as made:
        made.start()
        made.wait_ready()
        yield made


class Control:
    """The proxy's HTTP API."""

    def __init__(self, cluster: LocalCluster) -> None:
        proxy = cluster.record.proxy
        assert proxy is not None
        self._session = aiohttp.ClientSession(f"http://{proxy.control}")

    async def __aenter__(self) -> "Control":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        async with self._session.request(method, path, json=body) as response:
            answer = await response.json()
            assert 200 == response.status, answer
            return answer  # type: ignore[no-any-return]

    async def put(self, id: str, *faults: object) -> dict[str, object]:
        return await self.ask("PUT", "/faults", {"id": id, "ttl_s": 120, "seed": 1, "faults": faults})

    async def heal(self) -> None:
        healed = await self.ask("POST", "/heal", {})
        assert healed["healed"], healed

    async def links(self) -> dict[str, dict[str, object]]:
        return {link["link"]: link for link in (await self.ask("GET", "/links"))["links"]}


def sockets_of(pid: int) -> set[str]:
    """The inodes of the sockets that a process holds."""
    found = (str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
    return {match[1] for text in found if (match := re.fullmatch(r"socket:\[(\d+)\]", text))}


def connections_to(ports: set[int]) -> dict[str, int]:
    """Of this machine, by the inode of the dialling side's socket: the port that was dialled."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {row[9]: port for row in rows if row[3] == ESTABLISHED and (port := int(row[2].partition(":")[2], 16)) in ports}


async def write_without(cluster: LocalCluster, absent: str) -> None:
    """Writes and reads through the others alone. The load's own writes wait where they were sent, with the absent one."""
    others = ",".join(cluster.client_address(name) for name in cluster.names if name != absent)
    async with connect(others, timeout=20) as client:
        for number in range(20):
            await client.put(f"without-{absent}", str(number))
        found = await client.get(f"without-{absent}")
        assert found is not None and b"19" == found.value


async def test_no_peer_connection_goes_around_the_proxy(cluster: LocalCluster) -> None:
    peers = {int(node.peer.rpartition(":")[2]) for node in cluster.record.nodes.values()}

    def dialled() -> dict[str, int]:
        return connections_to(peers)

    await until(lambda: len(dialled()) >= 6, "every node is dialled by both others")
    assert set(dialled()) <= sockets_of(cluster.proxy.pid)
    proxy = cluster.record.proxy
    assert proxy is not None
    ports = {int(address.rpartition(":")[2]): link for link, address in proxy.ports.items()}
    for name in cluster.names:
        mine = sockets_of(cluster.pid(name))
        used = {ports[port] for inode, port in connections_to(set(ports)).items() if inode in mine}

        assert {f"{name}>{other}" for other in cluster.names if other != name} == used


@pytest.mark.failover
async def test_the_leader_is_isolated_and_healed_and_no_acknowledged_write_is_lost(cluster: LocalCluster) -> None:
    async with Control(cluster) as control, Workload(cluster.endpoints) as load:
        for _ in range(2):
            await load.progress(100)
            leader = await asyncio.to_thread(cluster.wait_leader)
            told = await control.put("isolate", {"shape": {"kind": "isolate", "node": "leader"}})
            assert all(leader in link.split(">") for link in told["links"]), told
            await asyncio.to_thread(cluster.wait_leader, other_than=leader)
            await write_without(cluster, leader)
            await control.heal()
            await asyncio.to_thread(cluster.wait_ready)
        assert sum(int(str(link["dropped"])) for link in (await control.links()).values()) > 0
        await load.stop()

        assert [] == await load.verify()


@pytest.mark.failover
async def test_a_leader_that_is_not_heard_is_followed_by_another(cluster: LocalCluster) -> None:
    """One way: it hears everybody, nobody hears it."""
    async with Control(cluster) as control, Workload(cluster.endpoints) as load:
        await load.progress(100)
        leader = await asyncio.to_thread(cluster.wait_leader)
        told = await control.put("mute", {"links": ["leader>*"], "cut": True})
        others = [name for name in cluster.names if name != leader]
        assert sorted(f"{leader}>{other}" for other in others) == sorted(told["links"])
        await asyncio.to_thread(cluster.wait_leader, other_than=leader)
        await write_without(cluster, leader)
        await control.heal()
        await asyncio.to_thread(cluster.wait_ready)
        await load.stop()

        assert [] == await load.verify()


async def test_a_cluster_lives_with_loss_reordering_doubling_and_damage_on_every_link(cluster: LocalCluster) -> None:
    async with Control(cluster) as control, Workload(cluster.endpoints) as load:
        bad = {"drop": 0.02, "duplicate": 0.05, "reorder": 0.1, "reorder_ms": 20, "corrupt": 0.005, "delay_ms": 1, "jitter_ms": 3}
        await control.put("bad-weather", {"links": ["*"], **bad})
        seen: dict[str, int] = {}
        for _ in range(50):
            await load.progress(100)
            links = await control.links()
            seen = {what: sum(int(str(link[what])) for link in links.values()) for what in KINDS}
            if all(seen.values()):
                break
        assert all(seen.values()), seen
        await control.heal()
        await asyncio.to_thread(cluster.wait_ready)
        await load.stop()

        assert [] == await load.verify()


@pytest.mark.failover
async def test_nodes_go_on_without_the_proxy_with_whom_they_reach_and_find_it_again(cluster: LocalCluster) -> None:
    await asyncio.to_thread(cluster.proxy.kill)
    assert all(cluster.is_running(name) for name in cluster.names)
    await until(lambda: cluster.leader() is None, "nobody leads where nobody is reached")
    cluster.start()
    await asyncio.to_thread(cluster.wait_leader)
    async with Workload(cluster.endpoints) as load:
        await load.progress(50)
        await load.stop()

        assert [] == await load.verify()


def test_a_cluster_behind_a_proxy_does_not_grow(tmp_path: Path, engine: str) -> None:
    with LocalCluster.create(tmp_path, engine=engine, proxied=True) as cluster, pytest.raises(LocalError, match="it cannot grow"):
        cluster.add_node()
