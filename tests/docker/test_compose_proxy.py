"""docker-compose.proxy.yml: containers that reach one another through the fault proxy alone, faults set from the host."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from itertools import permutations

import aiohttp
import pytest

from quorate.cluster.client import connect
from tests.docker.compose import NODES, Compose, missing
from tests.support.workload import Workload

pytestmark = [pytest.mark.docker, pytest.mark.skipif(bool(reason := missing()), reason=f"docker: {reason}")]

PROXY = "proxy"
DIALS = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
except OSError:
    sys.exit(1)
"""


@pytest.fixture
def compose() -> Iterator[Compose]:
    compose = Compose("docker-compose.proxy.yml", (*NODES, PROXY))
    try:
        compose.build()
        compose.up()
        yield compose
    finally:
        compose.destroy()


def addresses(compose: Compose, service: str) -> dict[str, str]:
    """The container's networks, and its address in each."""
    told = subprocess.run(["docker", "inspect", compose.container(service)], capture_output=True, text=True, check=True).stdout
    networks = json.loads(told)[0]["NetworkSettings"]["Networks"]
    return {name: network["IPAddress"] for name, network in networks.items()}


def reaches(compose: Compose, service: str, host: str, port: int) -> bool:
    """Whether a process in that container can connect there."""
    dial = ["docker", "exec", compose.container(service), "python", "-c", DIALS, host, str(port)]
    return 0 == subprocess.run(dial, capture_output=True).returncode


async def put_faults(compose: Compose, *faults: object) -> None:
    body = {"id": "test", "ttl_s": 60, "seed": 1, "faults": faults}
    async with aiohttp.ClientSession() as session, session.put(f"http://127.0.0.1:{compose.control}/faults", json=body) as answer:
        assert 200 == answer.status, await answer.text()


async def heal(compose: Compose) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"http://127.0.0.1:{compose.control}/heal", json={}) as answer:
        told = await answer.json()
        assert told["healed"], told


async def test_nodes_share_no_network_and_a_leader_that_is_cut_off_is_followed_by_another(compose: Compose) -> None:
    networks = {name: set(addresses(compose, name)) for name in NODES}
    peers = {name: next(iter(addresses(compose, name).values())) for name in NODES}
    assert all(networks[one].isdisjoint(networks[other]) for one, other in permutations(NODES, 2)), networks
    assert reaches(compose, PROXY, peers["n1"], 7101), "the proxy does"
    assert [] == [pair for pair in permutations(NODES, 2) if reaches(compose, pair[0], peers[pair[1]], 7101)]

    async with connect(compose.endpoints, timeout=30) as client, Workload(",".join(compose.endpoints)) as load:
        await load.progress(50)
        leader = (await client.status()).node
        await put_faults(compose, {"shape": {"kind": "isolate", "node": "leader"}})
        others = [address for name, address in zip(NODES, compose.endpoints, strict=True) if name != leader]
        async with connect(others, timeout=30) as beside:
            await beside.put("written", "without it")
            successor = (await beside.status()).node
        await heal(compose)
        await asyncio.to_thread(compose.wait_healthy)
        await load.progress(50)
        await load.stop()

        assert successor != leader
        assert [] == await load.verify()
