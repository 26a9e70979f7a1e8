"""The engines keep the contract of every core."""

from dataclasses import replace

from quorate.protocols.core import CoreFactory, Kind
from quorate.protocols.fastpaxos import FastPaxos, FastPaxosOptions, fastpaxos
from quorate.protocols.kraft import KRaftOptions, kraft
from quorate.protocols.multipaxos import MultiPaxosOptions, multipaxos
from quorate.protocols.raft import RaftOptions, raft
from quorate.protocols.zab import ZabOptions, zab
from tests.contracts.bench import Bench, Seat, commands
from tests.contracts.membership import MembershipContract


class TestRaft(MembershipContract):
    factory: CoreFactory = staticmethod(raft)
    options = RaftOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, margin_entries=0)


class TestMultiPaxos(MembershipContract):
    factory: CoreFactory = staticmethod(multipaxos)
    options = MultiPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=3, margin_entries=0)


class TestFastPaxosInClassicRounds(MembershipContract):
    factory: CoreFactory = staticmethod(fastpaxos)
    options = FastPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=3, fast=False, fast_window=1, margin_entries=0)


class TestFastPaxos(MembershipContract):
    factory: CoreFactory = staticmethod(fastpaxos)
    options = FastPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=4, fast_window=1, live_ticks=6, margin_entries=0)

    def test_who_does_not_lead_refuses_and_names_the_leader(self) -> None:
        """Only in classic rounds, as TestFastPaxosInClassicRounds shows: in a fast one any node may be asked."""

    def test_a_batchs_entries_are_packed_once_and_rightly(self) -> None:
        """A fast window of one slot has room for one entry; and a snapshot could not stand for the last slots of a wider one."""
        self.options = replace(type(self).options, fast_window=4)
        super().test_a_batchs_entries_are_packed_once_and_rightly()

    def test_synced_is_cumulative(self) -> None:
        self.options = replace(type(self).options, fast_window=4)
        super().test_synced_is_cumulative()

    def notice(self, bench: Bench, leader: Seat) -> None:
        core = leader.core
        assert isinstance(core, FastPaxos)
        bench.run(lambda: not core.coordinator.open and core.coordinator.closing is None and core.coordinator.message is not None)

    def test_any_node_may_be_asked_in_a_fast_round(self) -> None:
        bench = self.bench()
        leader = bench.elect()
        bench.run(lambda: all(isinstance(seat.core, FastPaxos) and seat.core.voting.stage is not None for seat in bench.seats.values()))
        other = bench.others(leader)[0]
        token = bench.propose(other, b"x")
        bench.run(lambda: all(commands(seat) for seat in bench.seats.values()))

        assert [] == other.refused
        assert [[token]] * 3 == [[one.origin for one in seat.committed if one.kind == Kind.COMMAND] for seat in bench.seats.values()]


class TestZab(MembershipContract):
    factory: CoreFactory = staticmethod(zab)
    options = ZabOptions(
        election_ticks=20, discovery_ticks=60, heartbeat_ticks=2, lease_ticks=5, notify_ticks_max=5, retry_ticks=4, margin_entries=0
    )


class TestKRaft(MembershipContract):
    factory: CoreFactory = staticmethod(kraft)
    options = KRaftOptions(election_ticks=20, heartbeat_ticks=2, fetch_retry_ticks=5, lease_ticks=5, margin_entries=0)
