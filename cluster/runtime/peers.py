"""Connections between nodes: one outgoing link per peer, and whoever dials us.

Messages to a peer travel on the link that we dialled; what it sends us travels on the one that it dialled. A link opens with `hello`
(cluster, source, destination, incarnation, storage id, protocol version); afterwards it carries notifications
["m", [group, crc32, payload]], and heartbeats of many groups together (beats.py). Best effort: a full or closed link drops and
counts, it never blocks.
"""

import asyncio
import dataclasses
import zlib
from collections.abc import Callable, Mapping
from random import Random
from typing import get_origin

from quorate.cluster.runtime.beats import Gathering, alone, apart
from quorate.cluster.runtime.config import split_address
from quorate.cluster.runtime.handshake import PROTOCOL_VERSION, Hello, Party, Welcome
from quorate.cluster.runtime.logs import logger
from quorate.cluster.wire.codec import decode
from quorate.cluster.wire.errors import BadRequest, ProtocolError, QuorateError, from_wire, to_wire
from quorate.cluster.wire.rpc import PEER_FRAME_MAX, REQUEST, RESPONSE, Outbox, Stream, pack
from quorate.cluster.wire.sockets import end_if_silent
from quorate.protocols.core import Configuration, Message, NodeId

# Unsent bytes of one link beyond which messages are dropped: two full windows of the engine.
LINK_QUEUE_MAX = 32 << 20
# Between attempts to dial; a peer that dials us is dialled back at once.
REDIAL_S_MIN, REDIAL_S_MAX = 0.02, 0.5
# A refusal is a matter for an operator; asking often helps nobody.
REFUSED_S = 2.0
HELLO_S_MAX = 2.0
# Heartbeats are acknowledged several times a second; a peer that acknowledges nothing for so long is dialled anew.
PEER_SILENT_S = 5
# The largest frames, snapshot chunks and full batches, take a moment.
UNFINISHED_S_MAX = 4.0
HELLO_TYPES = tuple(get_origin(field.type) or field.type for field in dataclasses.fields(Hello))
# Links to nodes that dialled us and are in no configuration of ours yet.
GUESTS_MAX = 64


class PeerInbound(Stream):
    """A peer that dialled us: hello first, then messages."""

    def __init__(self, network: "PeerNetwork") -> None:
        super().__init__(frame_size_max=PEER_FRAME_MAX)
        self._network = network
        self.hello: Hello | None = None
        self.strange_in: set[str] = set()
        """Groups in which its disk has no standing."""
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        end_if_silent(transport, PEER_SILENT_S)
        self.end_if_unfinished(UNFINISHED_S_MAX)
        self._network.inbound[self] = None
        self._patience = asyncio.get_running_loop().call_later(HELLO_S_MAX, self._end_if_a_stranger)

    def _end_if_a_stranger(self) -> None:
        if self.hello is None:
            self.close(f"no hello within {HELLO_S_MAX:g} s")

    def _on_closed(self, error: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._network.on_inbound_closed(self)

    def _on_frame(self, frame: object) -> None:
        if self.hello is None:
            self._on_hello(frame)
            return
        match frame:
            case [2, "m", [str(group), int(crc), bytes(payload)]]:
                if zlib.crc32(payload) != crc:
                    self._network.corrupt_count += 1
                    raise ProtocolError(f"a message of {len(payload)} bytes from {self.hello.source} has a wrong checksum")
                self._hear(self.hello.source, group, decode(payload))
            case [2, "b", [int(tag), int(crc), bytes(payload)]]:
                if zlib.crc32(payload) != crc:
                    self._network.corrupt_count += 1
                    raise ProtocolError(f"messages of {len(payload)} bytes from {self.hello.source} have a wrong checksum")
                for group, message in apart(tag, payload):
                    self._hear(self.hello.source, group, message)
            case _:
                raise ProtocolError(f"not a peer message: {frame!r:.100}")

    def _hear(self, source: NodeId, group: str, message: Message) -> None:
        if group in self.strange_in:
            self._network.strange_count += 1
        else:
            self._network.on_message(group, source, message)

    def _on_hello(self, frame: object) -> None:
        party = self._network.party
        match frame:
            case [0, int(request_id), "hello", list(fields)] if tuple(map(type, fields)) == HELLO_TYPES:
                hello = Hello(*fields)
                if not all(type(index) is int for index in hello.group_indexes.values()):
                    raise ProtocolError(f"a hello claims an index for each group, not {hello.group_indexes!r:.100}")
                try:
                    welcome = party.welcome(hello)
                except QuorateError as error:
                    self.send(pack((RESPONSE, request_id, to_wire(error), None)))
                    self._network.on_refused(hello.source, error)
                    self.close(error.message)
                    return
                self.hello = hello
                self.strange_in = party.strange_in(hello)
                self.send(pack((RESPONSE, request_id, None, [welcome.storage, welcome.bootstrap, welcome.member])))
                self._network.on_hello(hello)
            case [0, int(request_id), "hello", [int(version), *_]] if version != PROTOCOL_VERSION:
                refusal = BadRequest(f"the caller speaks peer protocol {version}, {party.node} speaks {PROTOCOL_VERSION}")
                self.send(pack((RESPONSE, request_id, to_wire(refusal), None)))
                self.close(refusal.message)
            case _:
                raise ProtocolError(f"a peer connection opens with hello, not {frame!r:.100}")


class PeerOutbound(Stream):
    """A connection that we dialled: sends hello, waits for the welcome, then only sends."""

    def __init__(self, party: Party, destination: NodeId, outbox: Outbox | None) -> None:
        super().__init__(frame_size_max=PEER_FRAME_MAX, outbox=outbox)
        self._party = party
        self._destination = destination
        loop = asyncio.get_running_loop()
        self.welcomed: asyncio.Future[Welcome] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        end_if_silent(transport, PEER_SILENT_S)
        hello = self._party.hello_to(self._destination)
        self.send(pack((REQUEST, 0, "hello", dataclasses.astuple(hello))))

    def _on_frame(self, frame: object) -> None:
        if self.welcomed.done():
            raise ProtocolError(f"unexpected on an outgoing link: {frame!r:.100}")
        match frame:
            case [1, 0, None, [str(storage), bytes(bootstrap), bool(member)]]:
                self.welcomed.set_result(Welcome(storage, bootstrap, member))
            case [1, 0, error, None]:
                self.welcomed.set_exception(from_wire(error))
            case _:
                raise ProtocolError(f"not an answer to hello: {frame!r:.100}")

    def _on_closed(self, error: Exception | None) -> None:
        if not self.welcomed.done():
            self.welcomed.set_exception(ConnectionResetError(self.closed_because or "closed before the answer to hello"))
        if not self.ended.done():
            self.ended.set_result(None)


async def say_hello(party: Party, destination: NodeId, address: str, outbox: Outbox | None = None) -> tuple[PeerOutbound, Welcome]:
    """Dial, introduce ourselves, and give the open connection. OSError, TimeoutError, or the peer's refusal."""
    host, port = split_address(address)
    async with asyncio.timeout(HELLO_S_MAX):
        _, stream = await asyncio.get_running_loop().create_connection(lambda: PeerOutbound(party, destination, outbox), host, port)
        try:
            return stream, await stream.welcomed
        except BaseException:
            stream.abort("no welcome")
            raise


class PeerLink:
    """The outgoing link to one peer: dials, redials, drops what it cannot send."""

    def __init__(self, network: "PeerNetwork", peer: NodeId, address: str) -> None:
        self._network = network
        self._queue_max = network.link_queue_max
        self.peer = peer
        self.address = address
        self._stream: PeerOutbound | None = None
        self.beats = Gathering(network.outbox, self.send)
        self._dial_now = asyncio.Event()
        self.dropped_count = 0
        self.refusal = ""
        """Why the peer does not let us in, or why we do not accept it; empty if neither."""
        self.task = asyncio.get_running_loop().create_task(self._keep_connected(), name=f"link to {peer}")

    @property
    def is_up(self) -> bool:
        return self._stream is not None

    def send(self, frame: bytes) -> None:
        stream = self._stream
        if stream is None or stream.unsent_size > self._queue_max:
            self.dropped_count += 1
        else:
            self._network.frame_count += 1
            self._network.byte_count += len(frame)
            stream.send(frame)

    def dial_now(self) -> None:
        self._dial_now.set()

    def drop(self, because: str) -> None:
        """Close the connection; it is dialled anew and checked anew."""
        if self._stream is not None:
            self._stream.abort(because)

    async def _keep_connected(self) -> None:
        pause = REDIAL_S_MIN
        while True:
            try:
                pause = await self._connect_once(pause)
            except (OSError, TimeoutError):
                pause = min(pause * 2, REDIAL_S_MAX)
            except (QuorateError, ValueError) as error:
                # ValueError: an address that no resolver takes. Out of here it would end this task, and the link for ever.
                if self.refusal != str(error):
                    self.refusal = str(error)
                    self._network.on_refused(self.peer, error)
                pause = REFUSED_S
            self._dial_now.clear()
            try:
                async with asyncio.timeout(pause * self._network.rng.uniform(0.5, 1.0)):
                    await self._dial_now.wait()
            except TimeoutError:
                pass

    async def _connect_once(self, pause: float) -> float:
        stream, welcome = await say_hello(self._network.party, self.peer, self.address, self._network.outbox)
        try:
            self._network.party.check_storage(self.peer, welcome.storage)
            self._network.party.check_bootstrap(self.peer, welcome.bootstrap)
            self.refusal = ""
            self._stream = stream
            self._network.on_link(self.peer, True)
            await stream.ended
        finally:
            was_up, self._stream = self._stream is not None, None
            stream.abort("link given up")
            if was_up:
                self._network.on_link(self.peer, False)
        return REDIAL_S_MIN


class PeerNetwork:
    """All peer connections of a node, for all its groups."""

    def __init__(
        self,
        party: Party,
        on_message: Callable[[str, NodeId, Message], None],
        on_lost: Callable[[NodeId], None],
        outbox: Outbox | None = None,
        *,
        link_queue_max: int = LINK_QUEUE_MAX,
        rng: Random | None = None,
        routes: Mapping[NodeId, str] | None = None,
        coalesces: bool = True,
    ) -> None:
        self.party = party
        self.coalesces = coalesces
        self._routes = routes or {}
        """Where to dial a peer in place of the address that it goes by."""
        self.rng = rng or Random()
        self.outbox = outbox or Outbox()
        self.link_queue_max = link_queue_max
        self.on_message = on_message
        self._on_lost = on_lost
        self.links: dict[NodeId, PeerLink] = {}
        self.inbound: dict[PeerInbound, None] = {}
        """Who dialled us, oldest first."""
        self._wanted: dict[NodeId, str] = {}
        self.corrupt_count = 0
        self.strange_count = 0
        """Messages not heard: their sender's disk has no standing in their group."""
        self.sent_count = 0
        self.frame_count = 0
        self.byte_count = 0
        self._server: asyncio.Server | None = None
        self._log = logger()
        self._last_message: Message | None = None
        self._last_group = ""
        self._last_frame = b""

    async def listen(self, address: str) -> None:
        host, port = split_address(address)
        self._server = await asyncio.get_running_loop().create_server(lambda: PeerInbound(self), host, port)

    @property
    def port(self) -> int | None:
        """Where we listen; None if we do not."""
        return self._server.sockets[0].getsockname()[1] if self._server is not None and self._server.sockets else None

    async def close(self) -> None:
        """No connection in either direction any more."""
        if self._server is not None:
            self._server.close()
        tasks = [link.task for link in self.links.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.links.clear()
        for connection in list(self.inbound):
            connection.close("this node stops")

    def connect(self, peers: Mapping[NodeId, str]) -> None:
        """Keep links to these peers (name -> address), and to guests while they stay."""
        self._wanted = {name: self._routes.get(name, address) for name, address in peers.items() if name != self.party.node}
        guests = {connection.hello.source: self._back_to(connection.hello) for connection in self.inbound if connection.hello is not None}
        for name, link in list(self.links.items()):
            if self._wanted.get(name, guests.get(name)) != link.address:
                link.task.cancel()
                del self.links[name]
        for name, address in self._wanted.items():
            if name not in self.links:
                self.links[name] = PeerLink(self, name, address)

    def groups_known(self) -> None:
        """The further groups are there: who may be heard in them, and say hello anew where we did before we could speak for them."""
        for connection in self.inbound:
            if connection.hello is not None:
                connection.strange_in = self.party.strange_in(connection.hello)
        for link in self.links.values():
            link.drop("said hello before the groups were there")

    def group_changed(self, group: str, configuration: Configuration) -> None:
        """A further group has another configuration: who is heard in it?"""
        for connection in self.inbound:
            if connection.hello is None:
                continue
            if self.party.is_strange(configuration, group, connection.hello):
                connection.strange_in.add(group)
            else:
                connection.strange_in.discard(group)

    def configuration_changed(self) -> None:
        """Close what the default group's new configuration no longer accepts; refused links are tried again at once."""
        for connection in list(self.inbound):
            if connection.hello is not None:
                try:
                    self.party.check_storage(connection.hello.source, connection.hello.storage, connection.hello.configuration_index)
                except QuorateError as error:
                    connection.close(error.message)
        for link in self.links.values():
            link.dial_now()

    def is_up(self, peer: NodeId) -> bool:
        """Whether our link to this peer is open."""
        link = self.links.get(peer)
        return link is not None and link.is_up

    def send(self, group: str, to: NodeId, message: Message) -> None:
        """Best effort. The same message object to several peers is encoded once."""
        link = self.links.get(to)
        if link is None:
            return
        self.sent_count += 1
        if message.is_beat and self.coalesces:
            link.beats.add(group, message)
            return
        if message is not self._last_message or group != self._last_group:
            self._last_frame = alone(group, message)
            self._last_message, self._last_group = message, group
        link.send(self._last_frame)

    def on_hello(self, hello: Hello) -> None:
        """A peer dialled us: it is up, so dial it now. One that we do not know yet is a guest: a leader that adds us, say."""
        link = self.links.get(hello.source)
        if link is not None:
            link.dial_now()
        elif len(self.links) < len(self._wanted) + GUESTS_MAX:
            self.links[hello.source] = PeerLink(self, hello.source, self._back_to(hello))

    def _back_to(self, hello: Hello) -> str:
        return self._routes.get(hello.source, hello.address)

    def on_inbound_closed(self, connection: PeerInbound) -> None:
        self.inbound.pop(connection, None)
        source = connection.hello.source if connection.hello is not None else None
        # A guest that came back after a silent cut has a younger connection, which needs our answers.
        stays = any(other.hello is not None and other.hello.source == source for other in self.inbound)
        if source in self.links and source not in self._wanted and not stays:
            self.links.pop(source).task.cancel()

    def on_link(self, peer: NodeId, up: bool) -> None:
        self._log.info("peer connected" if up else "peer lost", peer=peer)
        if not up:
            self._on_lost(peer)

    def on_refused(self, peer: NodeId, error: Exception) -> None:
        self._log.warning("peer refused", peer=peer, reason=str(error))


class GroupTransport:
    """One group's Transport over the node's peer connections."""

    def __init__(self, network: PeerNetwork, group: str) -> None:
        self._network = network
        self._group = group

    def send(self, to: NodeId, message: Message) -> None:
        self._network.send(self._group, to, message)
