"""Writes when things go wrong: redirected, repeated without being applied twice, given up in time, and said so."""

import asyncio

import pytest

from quorate.cluster.wire.errors import (
    BadRequest,
    NotLeader,
    Overloaded,
    QuorateError,
    SessionExpired,
    Superseded,
    TooLarge,
    Unavailable,
    Uncertain,
)
from quorate.protocols.sessions import IN_SESSION, OPEN, TOUCH, close
from tests.cluster.client.fake import FakeCluster, spin, until
from tests.cluster.client.tasks import failure, start, value_of


async def test_a_write_follows_the_leader_that_a_refusal_names(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")
    await until(lambda: len(cluster["n2"].connections) == 1)
    cluster.lead("n2")

    await client.put("x", "2")

    assert 1 == len(cluster["n2"].asked("propose"))
    assert b"2" == await value_of(client, "x")


async def test_a_leader_is_followed_by_name_where_it_advertises_an_address_that_does_not_work_from_here(cluster: FakeCluster) -> None:
    for node in cluster.nodes.values():
        node.advertised = f"{node.name}.inside:7000"
    client = await cluster.connected()
    await until(lambda: len(cluster["n2"].asked("status")) == 1)
    await spin()
    cluster.lead("n2")

    await client.put("x", "2")

    assert 1 == len(cluster["n1"].asked("propose")), "to open the session"
    assert 2 == len(cluster["n2"].asked("propose")), "to open it there, and to write"


async def test_two_nodes_that_name_each_other_do_not_keep_a_request_for_ever(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await until(lambda: all(node.connections for node in cluster.nodes.values()))
    n1, n2 = cluster["n1"], cluster["n2"]
    await client.put("x", "0")
    before = len(n1.asked("propose")) + len(n2.asked("propose"))
    n1.errors.extend(NotLeader(leader="n2", address=n2.address) for _ in range(50))
    n2.errors.extend(NotLeader(leader="n1", address=n1.address) for _ in range(50))
    put = start(client.put("x", "1"))
    await spin(500)

    assert len(n1.asked("propose")) + len(n2.asked("propose")) - before < 20
    n1.errors.clear()
    await cluster.finish(put)


async def test_a_write_whose_reply_was_lost_is_repeated_and_applied_once(cluster: FakeCluster) -> None:
    """1. The leader applies the write and crashes before the reply leaves. 2. n2 leads. 3. The repetition finds the result."""
    client = await cluster.connected()
    await client.put("count", "0")
    n1 = cluster["n1"]
    n1.loses_replies = True
    put = start(client.put("x", "1"))
    await until(lambda: len(cluster.writes) == 2)
    revision = cluster.store.revision
    n1.crash()
    cluster.lead("n2")
    result = await cluster.finish(put)

    first, second = cluster.writes[1:]
    assert first == second, "the same session, sequence, mark and command"
    assert revision == cluster.store.revision == result.revision  # type: ignore[attr-defined]


async def test_a_hundred_writes_in_flight_all_arrive_once_when_the_leader_dies(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("first", "0")
    n1 = cluster["n1"]
    n1.loses_replies = True
    puts = [start(client.put(f"k{number}", str(number))) for number in range(100)]
    await until(lambda: len(cluster.writes) == 101)
    n1.crash()
    cluster.lead(None)
    await cluster.timing.advance(300)

    assert not any(put.done() for put in puts)
    assert 0 == len(cluster["n2"].asked("propose")), "requests wait in the client while nobody leads"
    cluster.lead("n3")
    await cluster.finish(asyncio.gather(*puts))
    assert 101 == cluster.store.revision
    assert 201 == len(cluster.writes)


async def test_the_mark_rises_over_what_is_answered(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    for number in range(5):
        await client.put("x", str(number))

    assert 5 == len(cluster.writes)
    session = next(iter(cluster.machine._sessions.values()))
    assert 4 == session.low_water
    assert [5] == list(session.results)


async def test_many_first_writes_wait_for_one_session(cluster: FakeCluster) -> None:
    client = await cluster.connected()

    await asyncio.gather(*(client.put(f"k{number}", "v") for number in range(20)))

    assert 1 == sum(command[0] == OPEN for command in cluster.applied)
    assert 20 == len(cluster.writes)


async def test_an_overloaded_node_is_asked_again_after_a_pause(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster["n1"].errors.extend([Overloaded(), Overloaded()])
    put = start(client.put("x", "1"))
    await spin(100)
    assert 3 == len(cluster["n1"].asked("propose")), "the session, the first write and one attempt: no repetition without a pause"
    await cluster.timing.advance(100)

    await put
    assert 5 == len(cluster["n1"].asked("propose"))


async def test_a_node_that_stays_overloaded_is_reported_as_definite(cluster: FakeCluster) -> None:
    client = await cluster.connected(timeout=0.3)
    await client.put("x", "0")
    cluster["n1"].errors.extend(Overloaded("too much") for _ in range(1000))
    put = start(client.put("x", "1"))
    await cluster.timing.advance(400)

    error = await failure(put)
    assert isinstance(error, Overloaded) and error.definite
    assert len(cluster["n1"].errors) > 900


async def test_without_any_leader_a_write_is_unavailable_and_says_what_was_tried(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    await until(lambda: len(cluster["n2"].connections) == 1)
    cluster.lead(None)
    cluster["n1"].crash()
    cluster["n3"].crash()
    await until(lambda: len(client._network.open_connections()) == 1)
    put = start(client.put("x", "1"))
    await cluster.timing.advance(5_100)

    error = await failure(put)
    assert isinstance(error, Unavailable) and error.definite
    assert "no leader: 1 of 3 nodes answers" in error.message
    assert f"n2 {cluster['n2'].address}" in error.message
    assert "refuses the connection" in error.message
    assert "start the others" in error.message


async def test_a_write_without_a_reply_is_uncertain_at_its_deadline(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster["n1"].holds.add("propose")
    put = start(client.put("x", "1", timeout=0.5))
    await cluster.timing.advance(600)

    error = await failure(put)
    assert isinstance(error, Uncertain) and not error.definite
    assert 0 == client._network.open_connections()[0].in_flight


async def test_after_a_write_was_given_up_it_can_not_happen_once_a_later_one_has(cluster: FakeCluster) -> None:
    """1. A write is held on its way and given up. 2. Later writes are applied: their mark is above it. 3. It arrives: stale."""
    client = await cluster.connected()
    await client.put("x", "0")
    n1 = cluster["n1"]
    n1.holds.add("propose")
    put = start(client.put("x", "late", timeout=0.5))
    await cluster.timing.advance(600)
    await failure(put)
    n1.holds.clear()
    await client.put("x", "later")
    n1.release()
    await spin()

    assert b"later" == await value_of(client, "x")


async def test_a_definite_refusal_after_an_uncertain_attempt_leaves_the_write_uncertain(cluster: FakeCluster) -> None:
    client = await cluster.connected(timeout=0.5)
    await client.put("x", "0")
    cluster["n1"].errors.extend([Uncertain("stepped down"), *(Overloaded() for _ in range(1000))])
    put = start(client.put("x", "1"))
    await cluster.timing.advance(700)

    assert isinstance(await failure(put), Uncertain)


@pytest.mark.parametrize("error", [TooLarge("2 MiB"), BadRequest("no")])
async def test_what_no_repetition_cures_is_raised_at_once(cluster: FakeCluster, error: QuorateError) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster["n1"].errors.append(error)

    with pytest.raises(type(error)):
        await client.put("x", "1")
    assert 3 == len(cluster["n1"].asked("propose"))


async def test_a_superseded_write_is_proposed_again(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster["n1"].errors.append(Superseded())

    await client.put("x", "1")

    assert b"1" == await value_of(client, "x")


async def test_without_exactly_once_an_uncertain_write_is_not_repeated(cluster: FakeCluster) -> None:
    client = await cluster.connected(exactly_once=False)
    await client.put("x", "0")
    n1 = cluster["n1"]
    n1.loses_replies = True
    put = start(client.put("x", "1"))
    await until(lambda: len(cluster.writes) == 2)
    n1.crash()
    cluster.lead("n2")

    assert isinstance(await failure(put), Uncertain)
    assert 2 == len(cluster.writes)
    assert not any(command[0] in (OPEN, IN_SESSION) for command in cluster.applied)


async def test_a_session_that_expired_while_idle_is_replaced_without_a_word(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "1")
    [session] = cluster.machine._sessions
    cluster.apply(close(session))

    await client.put("x", "2")

    assert b"2" == await value_of(client, "x")
    assert session not in cluster.machine._sessions


async def test_a_write_in_doubt_when_its_session_expires_says_so(cluster: FakeCluster) -> None:
    """1. Applied, reply lost. 2. The session expires. 3. The repetition is refused: whether it was applied, nobody knows."""
    client = await cluster.connected()
    await client.put("x", "0")
    n1 = cluster["n1"]
    n1.loses_replies = True
    put = start(client.put("x", "1"))
    await until(lambda: len(cluster.writes) == 2)
    cluster.apply(close(next(iter(cluster.machine._sessions))))
    n1.crash()
    cluster.lead("n2")
    error = await cluster.finish(failure(put))

    assert isinstance(error, SessionExpired) and not error.definite
    await client.put("x", "2")
    assert b"2" == await value_of(client, "x")


async def test_an_idle_session_is_touched(cluster: FakeCluster) -> None:
    client = await cluster.connected(session_ttl=30)
    await client.put("x", "1")
    await cluster.timing.advance(60_000)

    assert 5 <= sum(command[0] == TOUCH for command in cluster.applied) <= 6


async def test_a_cancelled_write_leaves_nothing_behind(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster["n1"].holds.add("propose")
    put = start(client.put("x", "1"))
    await until(lambda: cluster["n1"].held_count == 1)
    put.cancel()
    await cluster.timing.advance(100)

    assert put.cancelled()
    assert 0 == sum(connection.in_flight for connection in client._network.open_connections())
    cluster["n1"].release()
    await client.put("x", "2")
    await client.put("x", "3")
    session = next(iter(cluster.machine._sessions.values()))
    assert 3 == session.low_water, "the mark has passed the cancelled one"


async def test_a_write_cancelled_while_nobody_leads_was_never_sent(cluster: FakeCluster) -> None:
    client = await cluster.connected()
    await client.put("x", "0")
    cluster.lead(None)
    put = start(client.put("x", "1"))
    await spin(100)
    put.cancel()
    await cluster.timing.advance(1_000)
    cluster.lead("n2")
    await client.put("x", "2")

    assert 2 == len(cluster.writes)
