"""The engines keep the contract of every core."""

from quorate.protocols.core import CoreFactory
from quorate.protocols.kraft import KRaftOptions, kraft
from quorate.protocols.multipaxos import MultiPaxosOptions, multipaxos
from quorate.protocols.raft import RaftOptions, raft
from quorate.protocols.zab import ZabOptions, zab
from tests.contracts.membership import MembershipContract


class TestRaft(MembershipContract):
    factory: CoreFactory = staticmethod(raft)
    options = RaftOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, margin_entries=0)


class TestMultiPaxos(MembershipContract):
    factory: CoreFactory = staticmethod(multipaxos)
    options = MultiPaxosOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, alpha=3, margin_entries=0)


class TestZab(MembershipContract):
    factory: CoreFactory = staticmethod(zab)
    options = ZabOptions(
        election_ticks=20, discovery_ticks=60, heartbeat_ticks=2, lease_ticks=5, notify_ticks_max=5, retry_ticks=4, margin_entries=0
    )


class TestKRaft(MembershipContract):
    factory: CoreFactory = staticmethod(kraft)
    options = KRaftOptions(election_ticks=20, heartbeat_ticks=2, fetch_retry_ticks=5, lease_ticks=5, margin_entries=0)
