"""What tests of live faults do while one lasts: write, and wait until it has touched something, or until nothing lasts any more."""

import asyncio

from quorate import connect
from quorate.cluster.chaos.acts import Acts
from quorate.cluster.chaos.ongoing import Ongoing
from quorate.cluster.chaos.vocabulary import OnLinks, parse
from quorate.cluster.local import LocalCluster


async def write(cluster: LocalCluster, count: int = 20, *, without: str = "") -> None:
    endpoints = ",".join(cluster.client_address(name) for name in cluster.names if name != without)
    async with connect(endpoints, timeout=20) as client:
        for number in range(count):
            await client.put(f"key-{number % 5}", str(number))


async def while_it_lasts(cluster: LocalCluster, acts: Acts, text: str, *, seed: int = 0) -> Ongoing:
    """Begin it, write until it has touched something, and end it."""
    ongoing = await acts.begin(parse(text), ttl_s=60, seed=seed)
    await until_touched(cluster, acts, ongoing)
    return await acts.end(ongoing)


async def quiet(acts: Acts) -> None:
    """Until no fault of links lives, and every disk and clock is sound."""
    async with asyncio.timeout(30):
        while True:
            view = await acts.status()
            if not view.transactions and all(node.condition is not None and node.condition.sound for node in view.nodes.values()):
                return


async def until_touched(cluster: LocalCluster, acts: Acts, ongoing: Ongoing) -> None:
    assert isinstance(ongoing.fault, OnLinks)
    before = (await acts.status()).links
    async with asyncio.timeout(30):
        while True:
            async with connect(cluster.endpoints, timeout=20) as client:
                await client.put("k", "v")
            now = (await acts.status()).links
            if any(now[link].counts[name] > before[link].counts[name] for link in ongoing.links for name in ongoing.fault.effects):
                return
