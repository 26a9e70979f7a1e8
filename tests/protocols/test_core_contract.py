"""Raft keeps the contract of every core."""

from quorate.protocols.core import CoreFactory
from quorate.protocols.raft import RaftOptions, raft
from tests.contracts.membership import MembershipContract


class TestRaft(MembershipContract):
    factory: CoreFactory = staticmethod(raft)
    options = RaftOptions(election_ticks=20, heartbeat_ticks=2, lease_ticks=5, margin_entries=0)
