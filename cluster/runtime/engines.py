"""The engines by name, and how a node's configuration becomes an engine's options."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from quorate.cluster.runtime.config import TICK_MS, NodeConfig
from quorate.cluster.service.limits import REQUEST_SIZE_MAX
from quorate.protocols.core import Configuration, Core, CoreFactory, Recovered
from quorate.protocols.fastpaxos import FastPaxosOptions, fastpaxos
from quorate.protocols.kraft import KRaftOptions, kraft
from quorate.protocols.logship import LogshipOptions, logship
from quorate.protocols.multipaxos import MultiPaxosOptions, multipaxos
from quorate.protocols.raft import RaftOptions, raft
from quorate.protocols.terms.options import TermOptions
from quorate.protocols.zab import ZabOptions, zab

ENVELOPED_BYTES_MAX = REQUEST_SIZE_MAX + 64
"""A command of the largest size in its session envelope."""


def raft_options(config: NodeConfig) -> RaftOptions:
    timing = config.timing
    return RaftOptions(
        election_ticks=timing.election_timeout_ms // TICK_MS,
        heartbeat_ticks=timing.heartbeat_ms // TICK_MS,
        lease_ticks=timing.lease_ms // TICK_MS,
        beats_together=timing.coalesced,
        starts_quickly=True,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
        priority=config.priority,
        target_priority=config.target_priority,
    )


def zab_options(config: NodeConfig) -> ZabOptions:
    timing = config.timing
    election_ticks, heartbeat_ticks = timing.election_timeout_ms // TICK_MS, timing.heartbeat_ms // TICK_MS
    return ZabOptions(
        election_ticks=election_ticks,
        discovery_ticks=3 * election_ticks,
        heartbeat_ticks=heartbeat_ticks,
        lease_ticks=timing.lease_ms // TICK_MS,
        notify_ticks_min=1,
        notify_ticks_max=max(1, election_ticks // 5),
        # Where nothing else is said, the next ping confirms: what is sent again sooner was seldom lost.
        retry_ticks=2 * heartbeat_ticks,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
    )


def kraft_options(config: NodeConfig) -> KRaftOptions:
    timing = config.timing
    heartbeat_ticks = timing.heartbeat_ms // TICK_MS
    return KRaftOptions(
        election_ticks=timing.election_timeout_ms // TICK_MS,
        heartbeat_ticks=heartbeat_ticks,
        # A fetch that the leader would have answered one heartbeat ago is lost.
        fetch_retry_ticks=2 * heartbeat_ticks,
        lease_ticks=timing.lease_ms // TICK_MS,
        starts_quickly=True,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
        priority=config.priority,
        target_priority=config.target_priority,
    )


def multipaxos_options(config: NodeConfig) -> MultiPaxosOptions:
    timing = config.timing
    return MultiPaxosOptions(
        election_ticks=timing.election_timeout_ms // TICK_MS,
        heartbeat_ticks=timing.heartbeat_ms // TICK_MS,
        lease_ticks=timing.lease_ms // TICK_MS,
        starts_quickly=True,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
    )


def fastpaxos_options(config: NodeConfig) -> FastPaxosOptions:
    timing = config.timing
    heartbeat_ticks = timing.heartbeat_ms // TICK_MS
    return FastPaxosOptions(
        election_ticks=timing.election_timeout_ms // TICK_MS,
        heartbeat_ticks=heartbeat_ticks,
        lease_ticks=timing.lease_ms // TICK_MS,
        starts_quickly=True,
        commit_ticks=1,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
        # An acceptor that missed two heartbeats is not there.
        live_ticks=3 * heartbeat_ticks,
        # Some fsyncs of a busy disk fit.
        recovery_ticks=10,
        repropose_ticks=20,
    )


def logship_options(config: NodeConfig) -> LogshipOptions:
    timing, modes = config.timing, config.logship
    return LogshipOptions(
        semisync=modes.mode == "semisync",
        acks=modes.acks,
        ack_timeout_ticks=modes.ack_timeout_ms // TICK_MS,
        heartbeat_ticks=timing.heartbeat_ms // TICK_MS,
        silence_ticks=timing.election_timeout_ms // TICK_MS,
        entry_bytes_max=ENVELOPED_BYTES_MAX,
        margin_bytes=config.log.keep_mib << 20,
    )


_ENGINES: dict[str, tuple[CoreFactory, Callable[[NodeConfig], TermOptions | ZabOptions | MultiPaxosOptions | LogshipOptions]]] = {
    "raft": (raft, raft_options),
    "zab": (zab, zab_options),
    "kraft": (kraft, kraft_options),
    "multipaxos": (multipaxos, multipaxos_options),
    "fastpaxos": (fastpaxos, fastpaxos_options),
    "logship": (logship, logship_options),
}


def options_of(config: NodeConfig) -> object:
    """The options that this configuration gives its engine."""
    return _ENGINES[config.engine][1](config)


def make_core(config: NodeConfig, initial: Configuration, rng: Random, incarnation: int, recovered: Recovered) -> Core:
    """The core of one group, fresh or from what the log gave back."""
    factory, options = _ENGINES[config.engine]
    figures = replace(options(config), storage=recovered.storage)
    return factory(config.node, initial, figures, rng, incarnation, recovered.promise, recovered.snapshot, recovered.entries)
