"""One node: the process that hosts replicas, answers peers, clients and HTTP, and stops in good order.

Order of start: data directory, HTTP (so that /health answers), peers, forming or recovery, state, clients.
Order of stop (SIGTERM, SIGINT): hand over leadership, stop the replicas, flush and mark the log clean, exit 0.
"""

import asyncio
import gc
import importlib.metadata
import resource
import signal
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress

import uvloop

from quorate.cluster.admin.http import AdminServer, Sample
from quorate.cluster.runtime import logs
from quorate.cluster.runtime.clock import SkewedClock
from quorate.cluster.runtime.config import DEFAULT_GROUP, UNSAFE, NodeConfig, split_address
from quorate.cluster.runtime.forming import Forming
from quorate.cluster.runtime.handshake import PROTOCOL_VERSION, Party
from quorate.cluster.runtime.hosting import Hosting
from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.runtime.peers import PeerNetwork
from quorate.cluster.runtime.pulse import Pulse
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.runtime.status import group_samples, group_status, log_samples
from quorate.cluster.runtime.surroundings import Surroundings
from quorate.cluster.service.digest_rpc import DigestService
from quorate.cluster.service.fault_rpc import FaultService
from quorate.cluster.service.keyvalue_rpc import KeyValueService
from quorate.cluster.service.rpc import ClientService
from quorate.cluster.storage.directory import DataDirectory
from quorate.cluster.storage.faulty import FaultyFiles
from quorate.cluster.storage.files import RealFiles
from quorate.cluster.storage.journal import JournalOptions
from quorate.cluster.wire.errors import BadRequest, QuorateError, Unavailable
from quorate.cluster.wire.rpc import Outbox, ServerConnection
from quorate.protocols.core import Configuration, Recovered

VERSION = importlib.metadata.version("quorate")

CONNECTIONS_MAX = 10_000
"""Client connections at once; more are closed at once rather than starving the others of file descriptors."""
APPLIED_LAG_MAX = 1_000
"""Entries behind the commit index beyond which a node does not call itself ready."""
YOUNG_ALLOCATIONS, OLDER_ROUNDS, OLDEST_ROUNDS = 50_000, 20, 1_000
"""Thresholds of the garbage collector. State is acyclic and large: looking through all of it would stall requests for seconds."""
SWITCH_INTERVAL_S = 0.0005
"""How long the loop may keep the interpreter from the log's thread, which wants it for microseconds after each sync."""


class Node:
    """Everything that one process holds."""

    def __init__(self, config: NodeConfig, surroundings: Surroundings | None = None) -> None:
        self.config = config
        self._around = surroundings or Surroundings()
        self.clock = SkewedClock(self._around.clock)
        # With the faulty layer, what is not synced stays in memory: kill -9 then loses what a power cut would.
        self.faulty_files = FaultyFiles(RealFiles()) if config.faults.files else None
        self.groups: dict[str, Hosted] = {}
        self._log = logs.logger()
        self._started_ms = self._around.clock.now_ms()
        self._stopping = asyncio.Event()
        self._outbox = Outbox()
        self._connections: dict[ServerConnection, None] = {}
        self._tasks: asyncio.TaskGroup
        self._detail = "starting"
        self._forming: Forming | None = None
        self._http_address = ""

    # What services and HTTP ask.

    def replica(self, group: str) -> Replica:
        return self.hosted(group).replica

    def hosted(self, group: str) -> Hosted:
        hosted = self.groups.get(group)
        if hosted is not None:
            return hosted
        if not self.groups:
            raise Unavailable(f"{self.config.node} is not serving yet: {self._waits_for}")
        raise BadRequest(f"no group {group!r} here; there are: {', '.join(self.groups)}")

    def start(self, work: Coroutine[object, object, None]) -> None:
        self._tasks.create_task(work)

    @property
    def _waits_for(self) -> str:
        return self._forming.detail if self._forming is not None else self._detail

    def identity(self) -> dict[str, object]:
        return {
            "node": self.config.node,
            "cluster": self.config.cluster,
            "storage": self._directory.storage,
            "protocol": PROTOCOL_VERSION,
            "engine": self.config.engine,
            "version": VERSION,
            "peer_address": self.config.peer.address,
            "client_address": self.config.client.address,
        }

    def status(self) -> dict[str, object]:
        ready, detail = self.ready()
        member = self._hosting.configuration().get(self.config.node)
        return self.identity() | {
            "number": member.number if member is not None else 0,
            "incarnation": self._party.incarnation,
            "uptime_ms": self._around.clock.now_ms() - self._started_ms,
            "ready": ready,
            "ready_detail": detail,
            "http_address": self._http_address,
            "groups": {name: group_status(hosted.replica) | hosted.stats() for name, hosted in self.groups.items()},
            "unknown_groups": list(self._hosting.unknown),
        }

    def status_of(self, group: str) -> dict[str, object]:
        """What clients of one group need; no group where it is not hosted. The whole status of a thousand would hold up the others."""
        hosted = self.groups.get(group)
        if hosted is None:
            return self.identity() | {"ready": False, "ready_detail": self._waits_for if not self.groups else f"no group {group!r} here"}
        obstacle = self._obstacle(group, hosted.replica)
        return self.identity() | {
            "ready": not obstacle,
            "ready_detail": obstacle,
            "groups": {group: group_status(hosted.replica) | hosted.stats()},
        }

    def ready(self) -> tuple[bool, str]:
        """A leader is known and what is committed is applied, in every group."""
        if not self.groups:
            return False, self._waits_for
        for name, hosted in self.groups.items():
            if obstacle := self._obstacle(name, hosted.replica):
                return False, obstacle
        return True, ""

    def _obstacle(self, group: str, replica: Replica) -> str:
        """Why this group is not ready; empty if it is."""
        status = replica.core.status
        if replica.failure:
            return f"{group}: stopped: {replica.failure}"
        mine = status.configuration.get(self.config.node)
        if mine is None or mine.storage != self._directory.storage:
            return f"{group}: {self._waits_for}"
        if status.leader is None:
            return f"{group}: no leader is known"
        if status.commit - replica.applier.index > APPLIED_LAG_MAX:
            return f"{group}: {status.commit - replica.applier.index} entries behind"
        return ""

    def samples(self) -> Iterator[Sample]:
        yield "quorate_up", "gauge", "1 while the process runs; labels say what runs", {"node": self.config.node, "version": VERSION}, 1
        yield "quorate_client_connections", "gauge", "open client connections", {}, len(self._connections)
        yield "quorate_peer_messages_sent", "counter", "messages given to peer links", {}, self._network.sent_count
        yield "quorate_peer_frames_sent", "counter", "frames given to open links; heartbeats share them", {}, self._network.frame_count
        yield "quorate_peer_bytes_sent", "counter", "bytes of those frames", {}, self._network.byte_count
        yield (
            "quorate_peer_messages_strange",
            "counter",
            "messages of disks that their group does not know",
            {},
            self._network.strange_count,
        )
        yield "quorate_peer_frames_corrupt", "counter", "peer messages with a wrong checksum", {}, self._network.corrupt_count
        for peer, link in self._network.links.items():
            yield "quorate_peer_up", "gauge", "1 where our link to the peer is open", {"peer": peer}, link.is_up
            yield "quorate_peer_messages_dropped", "counter", "messages dropped: link closed or full", {"peer": peer}, link.dropped_count
        yield from log_samples(self._journal.counters)
        for name, hosted in self.groups.items():
            yield from group_samples(name, hosted.replica)

    # Life.

    async def run(self) -> int:
        """Until `stop`. The exit code."""
        config = self.config
        files = self.faulty_files or self._around.files
        if (unsafe := UNSAFE.get(config.engine)) is not None:
            self._log.warning("unsafe engine", what=unsafe)
        with DataDirectory.open(
            config.data, cluster=config.cluster, node=config.node, engine=config.engine, files=files, rng=self._around.rng
        ) as self._directory:
            async with asyncio.TaskGroup() as self._tasks:
                await self._serve()
        return 0

    def stop(self) -> None:
        """Stop in good order, soon."""
        self._stopping.set()

    async def _serve(self) -> None:
        config = self.config
        on_put = self._around.steps_journal
        options = JournalOptions(segment_bytes=config.log.segment_mib << 20, threads=on_put is None, on_put=on_put)
        self._journal = self._directory.open_journal(asyncio.get_running_loop(), options)
        self._journal.on_answered = self._outbox.flush
        if (torn := self._journal.recovery.torn) is not None:
            self._log.warning("torn tail cut: its write had not finished, nobody was told of it", file=torn.path, offset=torn.offset)
        self._meet_peers()
        admin = AdminServer(self.ready, self.samples)
        if config.http.enabled:
            with _listening("http", config.http.listen):
                await admin.listen(config.http.listen)
            self._http_address = admin.address
        with _listening("peer", config.peer.listen):
            await self._network.listen(config.peer.listen)
        with _listening("client", config.client.listen):
            server = await self._listen_to_clients()
        self._log.info("listening", peers=config.peer.listen, clients=config.client.listen, http=self._http_address, data=str(config.data))
        serving = asyncio.create_task(self._host())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            await stopping
            await self._hosting.stop()
            self._log.info("stopped")
        finally:
            serving.cancel()
            stopping.cancel()
            server.close()
            for connection in list(self._connections):
                connection.close("this node stops")
            await self._network.close()
            await admin.close()
            self._directory.close_journal(self._journal)

    def _meet_peers(self) -> None:
        """Who this node is to others, what it will host, and the network between them; nothing listens yet."""
        config, around, own = self.config, self._around, self._directory
        pulse = Pulse(self.clock, self._outbox.flush, around.work_s)
        hosting = Hosting(config, around, own, self._journal, self.clock, pulse, self.start, self.groups, self._on_members)
        self._hosting = hosting
        self._party = Party(
            config.cluster,
            config.node,
            own.storage,
            own.incarnation,
            config.peer.address,
            hosting.configuration,
            engine=config.engine,
            groups=hosting.further_configurations,
        )
        self._network = PeerNetwork(
            self._party,
            hosting.on_message,
            hosting.on_lost,
            self._outbox,
            rng=around.rng,
            routes=config.routes,
            coalesces=config.timing.coalesced,
        )
        hosting.connect(self._network)

    async def _host(self) -> None:
        """Recover or form, then host the groups."""
        recovered = self._journal.group(DEFAULT_GROUP).load()
        initial = await self._initial_configuration(recovered)
        await self._hosting.host(initial, recovered)
        self._forming_done()
        self._around.on_hosting()

    async def _initial_configuration(self, recovered: Recovered) -> Configuration:
        bootstrap = self._directory.bootstrap
        if bootstrap is not None:
            self._party.bootstrap = bootstrap.encode()
            return bootstrap
        if recovered.snapshot is not None or recovered.entries or self.config.join:
            return Configuration()
        self._forming = Forming(self.config, self._party)
        initial = await self._forming.run()
        if initial.members:
            self._directory.record_bootstrap(initial)
            self._party.bootstrap = initial.encode()
            self._log.info("part of the cluster", members=list(initial.names))
        return initial

    def _forming_done(self) -> None:
        if self.replica(DEFAULT_GROUP).core.configuration.get(self.config.node) is not None:
            self._forming = None
        elif self._forming is None:
            self._detail = f"waiting to be added: run `quorate member add {self.config.node}`"

    def _on_members(self, configuration: Configuration) -> None:
        """The default group says who belongs to the cluster."""
        mine = configuration.get(self.config.node)
        self._party.member = mine is not None and mine.storage == self._directory.storage
        if self._party.member:
            self._forming = None
            node = self.config.node
            self._detail = f"{node} was taken out of the cluster: stop it, or bring it back with `quorate member add {node}`"

    # Clients.

    async def _listen_to_clients(self) -> asyncio.Server:
        methods = ClientService(self).methods() | KeyValueService(self).methods() | DigestService(self).methods()
        if self.config.faults.admin:
            methods |= FaultService(self).methods()
        host, port = split_address(self.config.client.listen)
        return await asyncio.get_running_loop().create_server(
            lambda: ServerConnection(methods, outbox=self._outbox, on_open=self._on_open, on_closed=self._on_closed), host, port
        )

    def _on_open(self, connection: ServerConnection) -> None:
        self._connections[connection] = None
        if len(self._connections) > CONNECTIONS_MAX:
            connection.close(f"{self.config.node} has {CONNECTIONS_MAX} client connections already")

    def _on_closed(self, connection: ServerConnection) -> None:
        self._connections.pop(connection, None)


@contextmanager
def _listening(section: str, address: str) -> Iterator[None]:
    """An address that cannot be had is named with the setting that wants it."""
    try:
        yield
    except OSError as error:
        why = f"{section}.listen = {address}: {error.strerror or error}"
        raise Unavailable(f"{why}; stop what uses that address, or choose another") from None


def _allow_connections() -> None:
    """As many open files as the system lets us: the usual 1,024 would end with the thousandth client."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):  # some systems say "unlimited" and mean less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(config: NodeConfig) -> int:
    """Run one node until SIGTERM or SIGINT; the exit code."""
    logs.set_up(config.node, form=config.logging.format, level=config.logging.level)
    _allow_connections()
    gc.set_threshold(YOUNG_ALLOCATIONS, OLDER_ROUNDS, OLDEST_ROUNDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        return uvloop.run(_run(config))
    except (QuorateError, OSError) as error:
        logs.logger().error("cannot run", reason=str(error))
        return 1


async def _run(config: NodeConfig) -> int:
    try:
        node = Node(config)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, node.stop)
        return await node.run()
    except ExceptionGroup as group:
        # The task group wraps what ended it; the first cause is the one to tell.
        raise group.exceptions[0] from None
