"""The engines as they are compared: any that both the simulator and a node's configuration know, with a node's default options."""

import zlib
from dataclasses import dataclass

import msgpack

from quorate.cluster.runtime.config import DEFAULT_GROUP, ENGINES, TICK_MS, LogConfig, NodeConfig, TimingConfig
from quorate.cluster.runtime.engines import options_of
from quorate.cluster.wire.codec import encode
from quorate.cluster.wire.errors import QuorateError
from quorate.cluster.wire.rpc import NOTIFICATION, pack
from quorate.protocols.core import Message
from quorate.protocols.simulation import engines
from quorate.protocols.simulation.engine import Engine
from quorate.protocols.simulation.measuring.basic import Said

REFERENCE = "raft"


class UnknownEngine(QuorateError):
    """There is no engine of that name; the message lists those that there are."""


def known() -> tuple[str, ...]:
    """All engines, Raft first."""
    return tuple(name for name in ENGINES if name in engines.ENGINES)


def check(names: list[str]) -> tuple[str, ...]:
    """The names, each once and in the order of `known`."""
    there = known()
    for name in names:
        if name not in there:
            raise UnknownEngine(f"there is no engine {name!r}; there are {', '.join(there)}")
    return tuple(name for name in there if name in names)


def elects(name: str) -> bool:
    """Whether somebody takes over by itself when the leader dies; else a person says who."""
    return not engines.load(name).by_hand


@dataclass(frozen=True, slots=True)
class Subject:
    """One engine in the simulator."""

    engine: Engine
    options: object


def subject(name: str) -> Subject:
    return Subject(engines.load(name), options_of(defaults(name)))


def defaults(name: str) -> NodeConfig:
    """The default settings of a node, whatever the environment of this process says."""
    return NodeConfig.model_construct(engine=name, timing=TimingConfig(), log=LogConfig())


def timing() -> str:
    """The default settings that all engines share, in words."""
    its = TimingConfig()
    return (
        f"tick {TICK_MS} ms, heartbeat {its.heartbeat_ms} ms, election timeout {its.election_timeout_ms} ms, lease {its.lease_ms} ms: "
        "a node's defaults, on every engine"
    )


def wire_bytes(message: Message) -> int:
    """The frame that a node puts on a peer's connection for this message: its payload, with checksum and group."""
    payload = encode(message)
    return len(pack((NOTIFICATION, "m", (DEFAULT_GROUP, zlib.crc32(payload), payload))))


def paxos_bytes(message: Said) -> int:
    """The same for a message of single-decree Paxos, which has no tag of its own: a node never sends one."""
    row = [getattr(message, name) for name in message.__dataclass_fields__]
    payload = msgpack.packb([0, *row])
    return len(pack((NOTIFICATION, "m", (DEFAULT_GROUP, zlib.crc32(payload), payload))))
