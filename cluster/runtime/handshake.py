"""What nodes say and demand when they connect: cluster, names, protocol version, and the disk that they vote with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.core import Configuration, NodeId

PROTOCOL_VERSION = 3
"""2: a hello names the engine. 3: it claims a configuration for each group, and heartbeats of many groups are one frame."""


@dataclass(frozen=True, slots=True)
class Hello:
    """How a node introduces itself on a peer connection."""

    protocol: int
    cluster: str
    source: NodeId
    destination: NodeId
    incarnation: int
    storage: str
    configuration_index: int
    """Index of the newest configuration that names the source with this storage; -1 if it knows none that does."""
    address: str
    """Where the source listens for peers: answers go there, even from one who does not know the source yet."""
    engine: str
    """The consensus engine of its groups. Two engines in one group would not understand each other, and say nothing."""
    group_indexes: dict[str, int]
    """`configuration_index` for each of its groups but the default one, where it knows a configuration that names it so."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer: who is there, and how the cluster began, where it has."""

    storage: str
    bootstrap: bytes
    """Configuration.encode() of the initial configuration; empty while this node has none."""
    member: bool
    """Whether the answering node takes part in a cluster."""


class Party:
    """What a node says and demands at the door. `configuration` is a function: it changes while we run."""

    def __init__(
        self,
        cluster: str,
        node: NodeId,
        storage: str,
        incarnation: int,
        address: str,
        configuration: Callable[[], Configuration],
        *,
        engine: str,
        groups: Callable[[], Mapping[str, Configuration]] = dict,
    ) -> None:
        """`configuration` is that of the default group: it says who belongs to the cluster. `groups` gives those of the others."""
        self.cluster, self.node, self.storage, self.incarnation, self.address = cluster, node, storage, incarnation, address
        self.configuration = configuration
        self.engine = engine
        self._groups = groups
        self.bootstrap = b""
        self.member = False
        self._claims: dict[NodeId, tuple[str, int]] = {}
        """What members said of themselves when they were last let in: (storage, configuration index)."""

    def hello_to(self, destination: NodeId) -> Hello:
        known = self._claim(self.configuration())
        claims = {group: index for group, configuration in self._groups().items() if (index := self._claim(configuration)) >= 0}
        return Hello(
            PROTOCOL_VERSION, self.cluster, self.node, destination, self.incarnation, self.storage, known, self.address, self.engine, claims
        )

    def _claim(self, configuration: Configuration) -> int:
        mine = configuration.get(self.node)
        return configuration.index if mine is not None and mine.storage == self.storage else -1

    def welcome(self, hello: Hello) -> Welcome:
        """Let in, or refuse with an error that names both sides."""
        if hello.protocol != PROTOCOL_VERSION:
            raise BadRequest(
                f"{hello.source} speaks peer protocol {hello.protocol}, {self.node} speaks {PROTOCOL_VERSION}; run the same release on both"
            )
        if hello.cluster != self.cluster:
            raise BadRequest(f"{hello.source} belongs to cluster {hello.cluster!r}, {self.node} to {self.cluster!r}; check the addresses")
        if hello.destination != self.node:
            raise BadRequest(f"{hello.source} looks for {hello.destination} here, but this is {self.node}; check the addresses")
        if hello.engine != self.engine:
            raise BadRequest(
                f"{hello.source} runs the engine {hello.engine}, {self.node} runs {self.engine}: all nodes of a cluster must run the same; "
                "correct `engine` in the files, and start the corrected nodes with empty data directories"
            )
        self.check_storage(hello.source, hello.storage, hello.configuration_index)
        if self.configuration().get(hello.source) is not None:
            self._claims[hello.source] = hello.storage, hello.configuration_index
        return Welcome(self.storage, self.bootstrap, self.member)

    def check_bootstrap(self, peer: NodeId, bootstrap: bytes) -> None:
        """Two nodes whose files named different initial members stand in two clusters of one name, and must not become one."""
        if not bootstrap or not self.bootstrap or bootstrap == self.bootstrap:
            return
        ours, theirs = (Configuration.decode(data, 0) for data in (self.bootstrap, bootstrap))
        if {(member.name, member.number) for member in ours.members} != {(member.name, member.number) for member in theirs.members}:
            raise BadRequest(
                f"{peer} began its cluster with {', '.join(theirs.names)}, {self.node} with {', '.join(ours.names)}: their files named "
                "different members. Correct the members in the files, and wipe the nodes that have begun a cluster of their own"
            )

    def strange_in(self, hello: Hello) -> set[str]:
        """The groups in which the peer's disk has no standing; what it says there is not heard."""
        return {group for group, configuration in self._groups().items() if self.is_strange(configuration, group, hello)}

    def is_strange(self, configuration: Configuration, group: str, hello: Hello) -> bool:
        """Whether the group knows this peer with another disk, and the peer knows nothing newer.

        A change of members is made group by group: a new disk that the default group has let in already may still stand
        in for the lost one elsewhere, where it has forgotten what that one promised.
        """
        known = configuration.get(hello.source)
        return known is not None and known.storage != hello.storage and hello.group_indexes.get(group, -1) <= configuration.index

    def check_storage(self, peer: NodeId, storage: str, configuration_index: int = -1) -> None:
        """A node whose disk was replaced must not vote under its old name, unless a newer configuration than ours says so.

        What a peer claimed when it was let in holds for dialling it too. A joiner that reads old configurations in the log it is
        given meets its own leader's former disk there: it must still answer that leader, or it never gets to the newer one.
        """
        configuration = self.configuration()
        claimed, claimed_index = self._claims.get(peer, ("", -1))
        if claimed == storage:
            configuration_index = max(configuration_index, claimed_index)
        known = configuration.get(peer)
        if known is None or known.storage == storage or configuration_index > configuration.index:
            return
        raise BadRequest(
            f"{peer} comes with storage {storage}, but the cluster knows it with {known.storage}: its disk was wiped or exchanged. "
            f"Its votes and acks do not count; run `quorate member replace {peer}` to bring it back as a learner",
            replaced=peer,
        )
