"""The engines by name, and how a node's configuration becomes an engine's options."""

from random import Random

from quorate.cluster.runtime.config import TICK_MS, NodeConfig
from quorate.cluster.service.limits import REQUEST_SIZE_MAX
from quorate.protocols.core import Configuration, Core, Recovered
from quorate.protocols.raft import RaftOptions, raft

ENVELOPED_BYTES_MAX = REQUEST_SIZE_MAX + 64
"""A command of the largest size in its session envelope."""


def raft_options(config: NodeConfig) -> RaftOptions:
    timing = config.timing
    return RaftOptions(
        election_ticks=timing.election_timeout_ms // TICK_MS,
        heartbeat_ticks=timing.heartbeat_ms // TICK_MS,
        lease_ticks=timing.lease_ms // TICK_MS,
        starts_quickly=True,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
        priority=config.priority,
        target_priority=config.target_priority,
    )


def make_core(config: NodeConfig, initial: Configuration, rng: Random, incarnation: int, recovered: Recovered) -> Core:
    """The core of one group, fresh or from what the log gave back."""
    return raft(config.node, initial, raft_options(config), rng, incarnation, recovered.promise, recovered.snapshot, recovered.entries)
