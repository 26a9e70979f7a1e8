"""Leases kept alive: renewed in the leader's memory, confirmed by a barrier, and never after the log has ended them."""

from pathlib import Path

import pytest

from quorate.cluster.service import commands
from quorate.cluster.service.keepalive import KeepAlives
from quorate.cluster.service.limits import CHOSEN_LEASE_ID_MIN
from quorate.cluster.wire.errors import LeaseNotFound, NotLeader, QuorateError, Unavailable
from quorate.protocols.core import Entry, Kind
from tests.cluster.service.serving import Client, Served

LEASE, TTL_MS = CHOSEN_LEASE_ID_MIN, 5_000


@pytest.fixture
async def served(tmp_path: Path) -> Served:
    """A leader that knows one lease."""
    made = await Served(tmp_path).begin()
    await made.do(commands.lease_grant(TTL_MS, id=LEASE), commands.put(b"mine", b"x", lease=LEASE))
    made.world.look()
    return made


@pytest.fixture
def keep_alives(served: Served) -> KeepAlives:
    return KeepAlives(served.hosted, served.world.clock)


def expiries(served: Served) -> list[bytes]:
    """Commands that this leader proposed by itself."""
    return [command for command, _ in served.world.core.all("propose") if isinstance(command, bytes)]


async def expired(served: Served) -> None:
    """The expiry that was proposed commits."""
    [command] = expiries(served)
    await served.world.commit(Entry(served.world.core.commit + 1, served.world.core.term, 0, Kind.COMMAND, command))


async def test_a_lease_that_is_kept_alive_lives_on_and_one_that_is_not_is_proposed_to_end(served: Served, keep_alives: KeepAlives) -> None:
    client = Client()
    for id in range(3):
        served.world.look(TTL_MS - 1_000)
        keep_alives.keep_alive(client.connection, id, LEASE)
        await served.barrier()
    client.take()

    assert {0: TTL_MS, 1: TTL_MS, 2: TTL_MS} == client.replies
    assert [] == expiries(served)

    served.world.look(TTL_MS)

    assert 1 == len(expiries(served))


async def test_nobody_is_told_of_a_renewal_before_the_barrier(served: Served, keep_alives: KeepAlives) -> None:
    client = Client()
    keep_alives.keep_alive(client.connection, 1, LEASE)
    await served.world.turn()
    client.take()

    assert {} == client.replies


async def test_a_deposed_leader_renews_nothing(served: Served, keep_alives: KeepAlives) -> None:
    """Its successor may have ended the lease already: the barrier fails, and the client hears of no renewal."""
    client = Client()
    keep_alives.keep_alive(client.connection, 1, LEASE)
    await served.no_barrier()
    client.take()

    assert isinstance(client.errors[1], NotLeader)


async def test_who_does_not_lead_or_has_not_caught_up_renews_nothing(served: Served, keep_alives: KeepAlives) -> None:
    for leader, term in (("n2", 1), ("n1", 2)):
        served.world.core.leader, served.world.core.term = leader, term
        with pytest.raises(NotLeader):
            keep_alives.keep_alive(Client().connection, 1, LEASE)


async def test_once_the_end_is_proposed_the_answer_waits_for_the_log(served: Served, keep_alives: KeepAlives) -> None:
    client = Client()
    served.world.look(TTL_MS)
    keep_alives.keep_alive(client.connection, 1, LEASE)
    await served.barrier()
    client.take()

    assert {} == client.replies and {} == client.errors

    await expired(served)
    await served.barrier()
    client.take()

    assert isinstance(client.errors[1], LeaseNotFound)


async def test_who_waits_for_the_log_is_answered_when_another_leads_or_the_disk_fails(tmp_path: Path) -> None:
    errors: list[QuorateError] = []
    for number in (1, 2):
        served = await Served(tmp_path / str(number)).begin()
        await served.do(commands.lease_grant(TTL_MS, id=LEASE))
        served.world.look()
        keep_alives, client = KeepAlives(served.hosted, served.world.clock), Client()
        served.world.look(TTL_MS)
        keep_alives.keep_alive(client.connection, 1, LEASE)
        if number == 1:
            served.world.core.leader = "n2"
            await served.do(commands.put(b"k", b"v"))
        else:
            served.world.replica.fail(OSError("the disk is gone"))
        client.take()
        errors.append(client.errors[1])

    assert [NotLeader, Unavailable] == [type(error) for error in errors]


async def test_a_lease_that_nobody_granted_is_not_found(served: Served, keep_alives: KeepAlives) -> None:
    client = Client()
    keep_alives.keep_alive(client.connection, 1, LEASE + 1)
    await served.barrier()
    client.take()

    assert isinstance(client.errors[1], LeaseNotFound)


async def test_a_change_of_leader_only_lengthens_a_lease(served: Served, keep_alives: KeepAlives) -> None:
    served.world.look(TTL_MS - 100)
    served.world.core.term = 2
    await served.world.commit(Entry(served.world.core.commit + 1, 2, 0, Kind.NOOP, b""))
    served.world.look(TTL_MS - 100)

    assert [] == expiries(served)
    assert 1 == len(served.machine.leases)


async def test_a_clock_that_jumps_ahead_ends_a_lease_early_by_that_much_and_no_more(served: Served, keep_alives: KeepAlives) -> None:
    """The documented bound: a lease relies on the leader's clock, and a jump of it counts as time."""
    client = Client()
    keep_alives.keep_alive(client.connection, 1, LEASE)
    served.world.clock.advance(-60_000)
    served.world.look(TTL_MS)

    assert [] == expiries(served), "set back, a lease lives longer"

    served.world.look(60_000)

    assert 1 == len(expiries(served))
