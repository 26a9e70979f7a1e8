"""Leases: a TTL is a lower bound, judged by one leader at a time, decided by the log. Times are explicit."""

import pytest

from quorate.cluster.service import commands, results
from quorate.cluster.service.commands import Operation, decode, encode
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.leases import EXPIRIES_PER_CALL, QUEUE_SLACK, RETRY_MS, Renewal
from quorate.cluster.service.limits import CHOSEN_LEASE_ID_MIN, LEASE_TTL_MS_MAX
from quorate.cluster.service.results import LeaseGranted, LeaseInfo, LeaseRevoked
from quorate.cluster.wire.errors import LeaseNotFound
from tests.cluster.service.model import outcome
from tests.contracts.machine import entry, restore


class World:
    """One leader of term 1, with its log and its clock."""

    def __init__(self) -> None:
        self.machine = KeyValue()
        self.index = 0

    def do(self, operation: Operation, term: int = 1) -> object:
        return outcome(operation, self.commit(encode(operation), term))

    def commit(self, command: bytes, term: int = 1) -> bytes:
        self.index += 1
        return self.machine.apply(entry(self.index, command, term))

    def grant(self, ttl_ms: int, *keys: bytes) -> int:
        granted = self.do(commands.lease_grant(ttl_ms))
        assert isinstance(granted, LeaseGranted)
        for key in keys:
            self.do(commands.put(key, b"", lease=granted.id))
        return granted.id

    def due(self, now_ms: int, term: int = 1) -> list[bytes]:
        return list(self.machine.due(now_ms, term))

    def expire(self, now_ms: int, term: int = 1) -> list[object]:
        """What is due is proposed and commits."""
        return [outcome(decode(command), self.commit(command, term)) for command in self.due(now_ms, term)]

    def renew(self, id: int, now_ms: int, term: int = 1) -> Renewal:
        return self.machine.deadlines.renew(id, now_ms, term)


@pytest.fixture
def world() -> World:
    return World()


def test_a_lease_that_nobody_renews_takes_its_keys_with_it(world: World) -> None:
    world.grant(1_000, b"b", b"a")
    world.do(commands.put(b"c", b""))

    assert world.expire(500) == []
    assert world.expire(1_499) == []
    assert world.expire(1_500) == [LeaseRevoked(4, 2)]
    assert sorted(world.machine.store.records) == [b"c"]


def test_the_keys_of_a_lease_go_in_one_revision_in_order(world: World) -> None:
    keys = [b"%d" % number for number in range(50)]
    id = world.grant(1_000, *reversed(keys))
    world.do(commands.lease_revoke(id))

    assert [event[1] for event in world.machine.history.since(50)] == sorted(keys)
    assert {event[0] for event in world.machine.history.since(50)} == {51}


def test_a_ttl_counts_from_the_leaders_first_look_never_from_before(world: World) -> None:
    """The machine has no clock: a lease granted between two looks lives from the later one."""
    world.due(0)
    world.grant(1_000)

    assert world.due(100) == []
    assert world.due(1_099) == []
    assert len(world.due(1_100)) == 1


def test_a_renewal_lets_the_ttl_run_anew(world: World) -> None:
    id = world.grant(1_000)
    world.due(0)
    for now_ms in range(900, 10_000, 900):
        assert world.renew(id, now_ms) is Renewal.RENEWED
        assert world.due(now_ms + 99) == []

    assert world.machine.deadlines.remaining_ms(id, 9_900) == 1_000
    assert len(world.due(10_900)) == 1


def test_a_renewal_before_the_first_look_counts(world: World) -> None:
    id = world.grant(1_000)

    assert world.renew(id, 5_000) is Renewal.RENEWED
    assert world.due(5_999) == []
    assert len(world.due(6_000)) == 1


def test_a_keep_alive_waits_for_the_outcome_once_an_expiry_is_proposed(world: World) -> None:
    """1 the leader proposes the expiry; 2 a keep-alive comes; 3 the expiry commits; 4 the keep-alive is asked again."""
    id = world.grant(1_000)
    world.due(0)
    [expiry] = world.due(1_000)
    assert world.renew(id, 1_001) is Renewal.PENDING
    assert outcome(decode(expiry), world.commit(expiry)) == LeaseRevoked(0, 0)

    assert world.renew(id, 1_002) is Renewal.NOT_FOUND


def test_a_lost_expiry_is_proposed_again_and_the_lease_stays_pending(world: World) -> None:
    id = world.grant(1_000)
    world.due(0)
    proposed = [now_ms for now_ms in range(0, 6_000, 100) if world.due(now_ms)]

    assert proposed == [1_000, 1_000 + RETRY_MS, 1_000 + 2 * RETRY_MS]
    assert world.renew(id, 6_000) is Renewal.PENDING


def test_a_new_term_starts_all_ttls_anew_and_forgets_what_was_pending(world: World) -> None:
    id = world.grant(1_000)
    world.due(0)
    assert len(world.due(1_000)) == 1

    assert world.due(50_000, term=2) == []
    assert world.renew(id, 50_999, term=2) is Renewal.RENEWED
    assert world.due(51_998, term=2) == []
    assert len(world.due(51_999, term=2)) == 1


def test_an_expiry_is_void_in_another_term(world: World) -> None:
    """1 the leader of term 1 proposes; 2 another leader carries the entry into term 2; 3 it commits there."""
    id = world.grant(1_000, b"k")
    world.due(0)
    [expiry] = world.due(1_000)

    assert outcome(decode(expiry), world.commit(expiry, term=2)) is LeaseNotFound
    assert world.do(commands.lease(id, keys=True)) is not None
    assert sorted(world.machine.store.records) == [b"k"]


def test_a_node_that_no_longer_leads_judges_nothing(world: World) -> None:
    id = world.grant(1_000)
    world.due(0, term=3)

    assert world.due(9_000, term=2) == []
    assert world.renew(id, 9_000, term=2) is Renewal.NOT_LEADING


def test_an_expiry_does_not_end_a_later_lease_of_the_same_id(world: World) -> None:
    """1 an expiry is proposed; 2 the lease is revoked and granted anew; 3 the expiry commits."""
    own = CHOSEN_LEASE_ID_MIN
    world.do(commands.lease_grant(1_000, id=own))
    world.due(0)
    [expiry] = world.due(1_000)
    world.do(commands.lease_revoke(own))
    world.do(commands.lease_grant(1_000, id=own))

    assert outcome(decode(expiry), world.commit(expiry)) is LeaseNotFound
    assert world.renew(own, 1_100) is Renewal.RENEWED
    assert world.due(2_099) == []
    assert world.expire(2_100) == [LeaseRevoked(0, 0)]
    assert world.due(100_000) == []


def test_the_latest_lease_of_an_id_is_judged_by_its_own_ttl(world: World) -> None:
    own = CHOSEN_LEASE_ID_MIN
    for ttl_ms in (1_000, 5_000, 3_000):
        world.do(commands.lease_grant(ttl_ms, id=own))
        world.due(0)
        if ttl_ms != 3_000:
            world.do(commands.lease_revoke(own))

    assert world.due(2_999) == []
    assert len(world.due(3_000)) == 1
    assert world.due(3_000 + RETRY_MS - 1) == []


def test_expiries_come_in_bounded_numbers(world: World) -> None:
    count = EXPIRIES_PER_CALL + 10
    for _ in range(count):
        world.grant(1_000)
    world.due(0)

    assert [len(world.expire(1_000 + step)) for step in range(3)] == [EXPIRIES_PER_CALL, 10, 0]
    assert len(world.machine.leases) == 0


def test_leases_that_are_gone_are_swept_from_the_leaders_memory(world: World) -> None:
    for step in range(4 * QUEUE_SLACK):
        id = world.grant(LEASE_TTL_MS_MAX)
        world.due(step)
        world.do(commands.lease_revoke(id))

    deadlines = world.machine.deadlines
    assert len(deadlines._queue) <= QUEUE_SLACK + 2
    assert len(deadlines._known) <= QUEUE_SLACK + 2


def test_a_key_leaves_its_lease_when_it_is_put_without_it(world: World) -> None:
    one, two = world.grant(1_000, b"a", b"b", b"c"), world.grant(1_000)
    world.do(commands.put(b"a", b"free"))
    world.do(commands.put(b"b", b"moved", lease=two))
    world.do(commands.put(b"c", b"kept", keep_lease=True))
    ask = world.machine.query

    assert results.decode_lease(ask(encode(commands.lease(one, keys=True)))) == LeaseInfo(one, 1_000, 1, (b"c",))
    assert results.decode_lease(ask(encode(commands.lease(two, keys=True)))) == LeaseInfo(two, 1_000, 1, (b"b",))
    world.do(commands.lease_revoke(one))
    assert sorted(world.machine.store.records) == [b"a", b"b"]


def test_a_revoked_lease_is_gone_for_good(world: World) -> None:
    id = world.grant(1_000)

    assert world.do(commands.lease_revoke(id)) == LeaseRevoked(0, 0)
    assert world.do(commands.lease_revoke(id)) is LeaseNotFound
    assert world.do(commands.put(b"k", b"", lease=id)) is LeaseNotFound
    assert world.renew(id, 0) is Renewal.NOT_FOUND
    assert world.due(10_000) == []


def test_restored_leases_have_their_keys_and_run_anew(world: World) -> None:
    id = world.grant(1_000, b"a", b"b")
    world.due(0)
    other = World()
    restore(other.machine, list(world.machine.freeze()()))
    other.index = world.index

    assert other.due(100_000) == []
    assert other.expire(101_000) == [LeaseRevoked(3, 2)]
    assert other.machine.leases.get(id) is None
