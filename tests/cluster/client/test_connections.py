"""Connections when things go wrong: silent leaders, full windows, garbled replies, a process that stood still."""

import asyncio

import pytest

from quorate.cluster.service import commands
from quorate.cluster.wire.errors import Unavailable
from quorate.cluster.wire.rpc import ServerConnection
from quorate.protocols.sessions import plain
from tests.cluster.client.fake import FakeCluster, spin, until
from tests.cluster.client.tasks import start, value_of


async def test_a_silent_leader_is_left_within_a_second_or_so(cluster: FakeCluster) -> None:
    """The kernel still accepts and buffers for a stopped process; only a ping tells."""
    client = await cluster.connected()
    await client.put("x", "0")
    await until(lambda: len(cluster["n2"].connections) == 1)
    cluster["n1"].is_silent = True
    cluster.lead("n2")
    put = start(client.put("x", "1"))
    await cluster.timing.advance(1_300)

    assert put.done()
    assert b"1" == await value_of(client, "x")


async def test_a_silent_leader_is_left_at_once_when_another_says_that_it_leads(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))
    cluster["n1"].is_silent = True
    put = start(client.put("x", "1"))
    await cluster.timing.advance(400)
    assert not put.done()
    cluster["n2"].holds.add("status")
    cluster.lead("n2")
    await cluster.timing.advance(100)
    assert not put.done(), "n3 has told of the new term, but nobody yet that it leads"
    cluster["n2"].release()
    await cluster.timing.advance(100)

    assert put.done()


async def test_a_candidates_term_that_nobody_led_in_does_not_outrank_a_leader(cluster: FakeCluster) -> None:
    """1. n1 leads in term 1, and is lost. 2. n3, whose disk is broken, asks for votes in term 9 in vain, and tells the client of it.
    3. n3 is gone, and its term with it. 4. n2 leads in term 2. Found by seed 14 of the simulated runtime."""
    client = await cluster.connected()
    await client.put("x", "0")
    await until(lambda: all(endpoint.name for endpoint in client._network.endpoints))

    def candidate(connection: ServerConnection, id: int) -> None:
        group = {"role": "candidate", "term": 9, "leader": "", "leader_address": "", "members": []}
        connection.reply(id, {"node": "n3", "cluster": cluster["n3"].cluster_id, "groups": {"default": group}})

    cluster["n3"].handlers["status"] = candidate
    cluster["n1"].crash()
    cluster.lead(None)
    put = start(client.put("x", "1"))
    await cluster.timing.advance(200)
    assert cluster["n3"].asked("status")
    cluster["n3"].crash()
    cluster.lead("n2")
    await cluster.timing.advance(1_000)

    assert put.done()
    assert b"1" == await value_of(client, "x")


async def test_a_slow_leader_that_answers_pings_is_not_left(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    n1 = cluster["n1"]
    n1.holds.add("propose")
    put = start(client.put("x", "1"))
    await cluster.timing.advance(3_000)
    n1.release()
    await put

    assert 1 == len(n1.connections)
    assert len(n1.asked("ping")) >= 3


async def test_a_process_that_stood_still_reads_before_it_judges(cluster: FakeCluster) -> None:
    """1. A write is under way. 2. This process is stopped for a minute; the reply lies in the socket. 3. It counts."""
    client = await cluster.connected()
    await client.put("x", "0")
    put = start(client.put("x", "1"))
    await asyncio.sleep(0)
    cluster.timing.jump(60_000)
    await cluster.timing.advance(2)

    await put


async def test_more_requests_than_a_connection_takes_wait_for_their_turn(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quorate.cluster.client.connection.IN_FLIGHT_MAX", 10)
    client = await cluster.connected()
    await client.put("x", "0")
    n1 = cluster["n1"]
    n1.holds.add("propose")
    puts = [start(client.put(f"k{number}", "v")) for number in range(100)]
    await spin(100)

    assert 10 == n1.held_count
    n1.release()
    await asyncio.gather(*puts)
    assert 101 == len(cluster.writes)


async def test_nothing_ticks_while_nothing_waits(cluster: FakeCluster) -> None:
    client = await cluster.connected(exactly_once=False)
    await client.put("x", "0")
    await cluster.timing.advance(500)

    assert 0 == cluster.timing.timer_count


async def test_a_garbled_reply_closes_the_connection_and_the_write_goes_on(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    n1 = cluster["n1"]

    def garble(connection: ServerConnection, id: int, group: str, command: bytes) -> None:
        n1.handlers.clear()
        connection.send(b"\xc1\xc1\xc1")

    n1.handlers["propose"] = garble
    put = start(client.put("x", "1"))

    await cluster.finish(put)
    assert b"1" == await value_of(client, "x")


async def test_a_client_of_only_given_nodes_learns_no_others_and_reads_where_it_was_told(cluster: FakeCluster) -> None:
    client = await cluster.connected(endpoints=cluster["n2"].address, only_given=True, spread_reads=True)
    cluster.apply(plain(commands.encode(commands.put(b"x", b"1"))))
    found = await cluster.finish(client.get("x"))

    assert found is not None and b"1" == found.value
    assert [] == cluster["n1"].asked("query") + cluster["n3"].asked("query")
    with pytest.raises(Unavailable, match=r"1 of 1 nodes answers"):
        await cluster.finish(client.put("x", "2", timeout=0.2))
    assert [] == cluster["n1"].asked("status")

    await client.close()
