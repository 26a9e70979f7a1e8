"""The groups that a node hosts, on its one log, its one pulse and its one connection to each peer.

Every group begins with the members of the bootstrap and has members, terms and a state machine of its own from then on. The default
group says who belongs to the cluster: it guards the door (handshake.py). All of them guard themselves against disks that they do not know.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from random import Random

from quorate.cluster.runtime.config import DEFAULT_GROUP, GROUPS_MAX, NodeConfig
from quorate.cluster.runtime.logs import logger
from quorate.cluster.runtime.machines import Hosted, make_machine
from quorate.cluster.runtime.peers import GroupTransport, PeerNetwork
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.runtime.snapshotting import SnapshotWork
from quorate.cluster.runtime.surroundings import Surroundings
from quorate.cluster.storage.directory import DataDirectory
from quorate.cluster.storage.errors import LogFailed
from quorate.cluster.storage.journal import Journal
from quorate.cluster.storage.snapshots import SnapshotStore
from quorate.protocols.core import Clock, Configuration, Message, NodeId, Recovered
from quorate.protocols.sessions import Sessions

HAND_OVER_S = 2.0
"""How long a stopping leader waits for its successors."""


class Hosting:
    """Makes the groups, starts them together, and takes to each what is for it."""

    def __init__(
        self,
        config: NodeConfig,
        around: Surroundings,
        directory: DataDirectory,
        journal: Journal,
        clock: Clock,
        pulse: Pulse,
        start: Callable[[Coroutine[object, object, None]], None],
        groups: dict[str, Hosted],
        on_members: Callable[[Configuration], None],
    ) -> None:
        """`start` runs a coroutine in the node's task group; `on_members` is told whom the default group names."""
        self._config = config
        self._around = around
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._pulse = pulse
        self._start = start
        self._groups = groups
        self._on_members = on_members
        self._network: PeerNetwork
        self._log = logger()
        self.unknown: dict[str, None] = {}
        """Groups that peers speak of and that this node does not host."""
        journal.on_failed = self._on_log_failed

    def connect(self, network: PeerNetwork) -> None:
        self._network = network

    async def host(self, initial: Configuration, recovered: Recovered) -> None:
        """The default group from its beginnings, and all others from theirs."""
        made = [await self._make(DEFAULT_GROUP, initial, recovered)]
        for group in self._config.groups:
            bootstrap = self._directory.bootstrap or Configuration()
            made.append(await self._make(group, bootstrap, self._journal.group(group).load()))
            await asyncio.sleep(0)
        if left := [name for name in self._journal.names if name != DEFAULT_GROUP and name not in self._config.groups]:
            self._log.warning("groups in the log that the configuration does not name: kept, but not hosted", groups=left)
        self._begin(made)

    async def _make(self, group: str, initial: Configuration, recovered: Recovered) -> Hosted:
        config, around, directory = self._config.of_group(group), self._around, self._directory
        log = self._journal.group(group)
        snapshots = SnapshotStore(
            directory.snapshots_path(group), files=directory.files, marked=lambda: log.marked, beside=around.beside, rng=around.rng
        )
        transport = GroupTransport(self._network, group)
        core = around.make_core(
            config, initial, Random(around.rng.getrandbits(64)), directory.incarnation, replace(recovered, storage=directory.storage)
        )
        machine = make_machine(config.machine)
        work = SnapshotWork(snapshots, transport, self._start, config.log.snapshot_mib << 20)
        replica = Replica(
            group,
            config.node,
            directory,
            initial,
            core,
            log,
            transport,
            self._clock,
            Sessions(machine),
            work,
            self._pulse,
            around.work_s,
        )
        await work.attach(replica, recovered.snapshot, sum(len(entry.data) for entry in recovered.entries))
        replica.on_configuration.append(lambda: self._on_configuration(replica))
        replica.on_failed.append(self._on_failed)
        return Hosted(replica, machine)

    def _begin(self, made: list[Hosted]) -> None:
        """All at once: a hello speaks for every group."""
        self._groups.update((hosted.replica.group, hosted) for hosted in made)
        if len(made) > 1:
            self._network.groups_known()
        self._on_configuration(made[0].replica)
        for hosted in made:
            hosted.replica.start()
            if self._journal.failed is not None:
                # Before there was anybody to tell.
                hosted.replica.fail(self._journal.failed)

    def configuration(self) -> Configuration:
        """Of the default group; empty before it is there."""
        hosted = self._groups.get(DEFAULT_GROUP)
        return hosted.replica.core.configuration if hosted is not None else Configuration()

    def further_configurations(self) -> Mapping[str, Configuration]:
        return {name: hosted.replica.core.configuration for name, hosted in self._groups.items() if name != DEFAULT_GROUP}

    def _on_configuration(self, replica: Replica) -> None:
        is_default = replica.group == DEFAULT_GROUP
        if is_default:
            self._on_members(replica.core.configuration)
        else:
            self._network.group_changed(replica.group, replica.core.configuration)
        peers: dict[NodeId, str] = {}
        for configuration in (*self.further_configurations().values(), self.configuration()):
            peers.update((member.name, member.peer_address) for member in configuration.members)
        self._network.connect(peers)
        if is_default:
            self._network.configuration_changed()

    def on_message(self, group: str, sender: NodeId, message: Message) -> None:
        hosted = self._groups.get(group)
        if hosted is not None:
            hosted.replica.receive(sender, message)
        elif self._groups and group not in self.unknown and len(self.unknown) < GROUPS_MAX:
            self.unknown[group] = None
            self._log.warning(
                "a peer speaks of a group that is not hosted here",
                group=group,
                peer=sender,
                remedy="name it under `groups` in this node's configuration and restart the node, or take it out of the peer's",
            )

    def on_lost(self, peer: NodeId) -> None:
        for hosted in self._groups.values():
            hosted.replica.driver.unreachable(peer)

    def _on_log_failed(self, problem: LogFailed) -> None:
        """The groups share the log: none of them can promise anything any more."""
        for hosted in self._groups.values():
            hosted.replica.fail(problem)

    def _on_failed(self, reason: str) -> None:
        """A replica stopped for good. With the last one: break with the peers, so that they need no timeout to see it."""
        if all(hosted.replica.failure for hosted in self._groups.values()):
            self._log.error("this node no longer takes part", reason=reason, remedy="mend the cause and restart the node")
            self._start(self._network.close())

    async def stop(self) -> None:
        """Hand over what this node leads, then stop."""
        replicas = [hosted.replica for hosted in self._groups.values()]
        await asyncio.gather(*(replica.hand_over(HAND_OVER_S, self._network.is_up) for replica in replicas))
        for replica in replicas:
            replica.stop()
