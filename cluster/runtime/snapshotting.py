"""Snapshots at run time: taken without stopping the service, sent in chunks that the receiver pulls, restored in steps.

Bytes never pass through a core. A transfer is resumable: the receiver asks for the next offset, again if a chunk was lost,
and goes on where it was if the same snapshot is offered anew.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

from quorate.cluster.runtime.logs import logger
from quorate.cluster.runtime.replica import Replica
from quorate.cluster.storage.errors import StorageError
from quorate.cluster.storage.snapshots import Receiving, SnapshotStore
from quorate.cluster.wire.errors import ChangeRefused, Unavailable
from quorate.protocols.core import Message, NodeId, Snapshot, Transport, message

CHUNK_BYTES = 256 << 10
"""One chunk: small enough not to hold up a heartbeat behind it, large enough that the round trip does not count."""
PULL_AGAIN_MS = 500
"""A chunk that has not come by then was lost: ask again."""
GIVE_UP_MS = 10_000
"""A transfer that has not moved for so long is over; the engine starts another when it wants."""
TAKE_OVER_MS = 2_000
"""A transfer that has not moved for so long gives way to another sender's snapshot of the same age: the old sender is gone."""
DURABLE_POLL_S = 0.001
RETRY_MS = 5_000
"""After a snapshot that failed, before the next is tried by itself."""


@message(900)
class Offer(Message):
    """Sender to receiver: here is a snapshot for you."""

    snapshot: Snapshot


@message(901)
class Pull(Message):
    """Receiver to sender: the chunk at this offset, please."""

    id: str
    offset: int


@message(902)
class Chunk(Message):
    """Sender to receiver."""

    id: str
    offset: int
    data: bytes


@message(903)
class Taken(Message):
    """Receiver to sender: the snapshot is verified and durable here, or it is no use."""

    id: str
    ok: bool


@dataclass(slots=True)
class _Outgoing:
    snapshot: Snapshot
    moved_ms: int
    offered_ms: int


@dataclass(slots=True)
class _Incoming:
    sender: NodeId
    snapshot: Snapshot
    receiving: Receiving
    moved_ms: int
    asked_ms: int
    finishing: bool = False


class SnapshotWork:
    """All that one replica does with snapshots. `start` runs a coroutine in the node's task group."""

    def __init__(
        self,
        store: SnapshotStore,
        transport: Transport,
        start: Callable[[Coroutine[object, object, None]], None],
        snapshot_bytes: int,
    ) -> None:
        self._store = store
        self._transport = transport
        self._start = start
        self._snapshot_bytes = snapshot_bytes
        self._replica: Replica
        self._log = logger()
        self._logged_bytes = 0
        self._taking = False
        self._failed_ms: int | None = None
        self._now_ms = 0
        self._outgoing: dict[NodeId, _Outgoing] = {}
        self._incoming: _Incoming | None = None
        self._received_id = ""
        """The last snapshot received whole."""
        self.newest: Snapshot | None = None
        self._rollback_count = 0
        self._empty: tuple[bytes, ...] = ()
        """What the machine says of itself before anything is applied."""

    @property
    def index(self) -> int:
        """Of the newest durable snapshot; 0 if there is none."""
        return self.newest.index if self.newest is not None else 0

    async def attach(self, replica: Replica, recovered: Snapshot | None, logged_bytes: int = 0) -> None:
        """Belong to this replica, and restore its state from the snapshot that its log begins after. `logged_bytes`: of entries
        that the log already holds, or a node that restarts often would never take a snapshot."""
        self._replica = replica
        self._log = self._log.bind(group=replica.group)
        self._logged_bytes = logged_bytes
        self._empty = tuple(replica.applier.machine.freeze()())
        if recovered is not None:
            self.newest = recovered
            replica.applier.expect(recovered)
            await replica.applier.restore(recovered, self._store.read(recovered))

    # Taking.

    def logged(self, size: int) -> None:
        """So many bytes of entries were written to the log: take a snapshot once it has grown enough, and by more than the state."""
        self._logged_bytes += size
        wanted = max(self._snapshot_bytes, self.newest.size if self.newest is not None else 0)
        if self._logged_bytes >= wanted and not self._taking and self._failed_ms is None:
            logged_bytes, self._logged_bytes = self._logged_bytes, 0
            self._start(self._take_by_itself(logged_bytes))

    async def _take_by_itself(self, logged_bytes: int) -> None:
        try:
            await self.take()
        except (ChangeRefused, Unavailable, StorageError, OSError) as error:
            self._failed_ms = self._now_ms
            self._logged_bytes += logged_bytes
            self._log.warning("snapshot failed", reason=str(error))

    async def take(self) -> Snapshot:
        """A snapshot of the state as it is now, durable when this returns. The service goes on meanwhile."""
        if self._taking:
            raise ChangeRefused("a snapshot is being taken already; wait for it")
        self._taking = True
        try:
            return await self._take()
        finally:
            self._taking = False

    async def _take(self) -> Snapshot:
        replica, applier, core = self._replica, self._replica.applier, self._replica.core
        async with applier.paused():
            # Committed is not durable *here*: others may have been quicker. A snapshot must not be ahead of our own log.
            while core.status.durable < applier.index:
                if replica.failure or replica.driver.stopped:
                    raise Unavailable(f"this replica stopped: {replica.failure or 'shutting down'}")
                await asyncio.sleep(DURABLE_POLL_S)
            if applier.index == 0 or applier.index == self.index:
                if self.newest is None:
                    raise ChangeRefused("nothing is applied yet, there is nothing to take a snapshot of")
                return self.newest
            index, term, configuration = applier.index, applier.term, applier.configuration
            if not configuration.members:
                # A newcomer that has not come to the entry which names it: whoever started from this would know no members.
                raise ChangeRefused("this node has not applied the log up to its own addition yet; try again later")
            encode, rollback_count = applier.machine.freeze(), self._rollback_count
        with self._store.create(index, term, configuration) as writing:
            for chunk in encode():
                writing.write(chunk)
                await asyncio.sleep(0)
                if replica.driver.stopped:
                    raise Unavailable("this replica stopped")
            snapshot = await asyncio.to_thread(writing.finish)
        if replica.driver.stopped:
            raise Unavailable("this replica stopped")
        if self._rollback_count != rollback_count:
            raise Unavailable("the history that this was a snapshot of was given up meanwhile; try again")
        if self.index > snapshot.index:
            # A peer's newer one was installed meanwhile.
            assert self.newest is not None
            return self.newest
        self.newest = snapshot
        replica.driver.tell(lambda: core.compact(snapshot))
        self._log.info("snapshot taken", index=index, bytes=snapshot.size)
        return snapshot

    # Installing what a peer sent.

    def install(self, snapshot: Snapshot) -> None:
        """The core accepted this snapshot, which `received` told it of: the state becomes the snapshot's."""
        self.newest = snapshot
        self._logged_bytes = 0
        self._replica.applier.expect(snapshot)
        self._start(self._install(snapshot))

    def roll_back(self, to: Snapshot) -> None:
        """The core gave up what was committed here: the state becomes that of `to`, which may be older, or empty for core.NOTHING."""
        self._rollback_count += 1
        self.newest = to if to.index else None
        self._received_id = ""
        self._logged_bytes = 0
        self._replica.applier.start_again(to)
        self._start(self._install(to))

    async def _install(self, snapshot: Snapshot) -> None:
        try:
            await self._replica.applier.restore(snapshot, self._store.read(snapshot) if snapshot.index else self._empty)
        except Exception as error:
            self._replica.fail(error)
            return
        if self._replica.applier.index >= snapshot.index:  # else it was left for a newer one, or the node stops
            self._log.info("snapshot restored", index=snapshot.index, bytes=snapshot.size)

    # Transfers.

    def send(self, to: NodeId, snapshot: Snapshot) -> None:
        self._outgoing[to] = _Outgoing(snapshot, self._now_ms, self._now_ms)
        self._transport.send(to, Offer(snapshot))

    def receive(self, sender: NodeId, message: Message) -> bool:
        """Whether the message was one of a transfer."""
        match message:
            case Offer():
                self._on_offer(sender, message.snapshot)
            case Pull():
                self._on_pull(sender, message)
            case Chunk():
                self._on_chunk(sender, message)
            case Taken():
                self._on_taken(sender, message)
            case _:
                return False
        return True

    def _on_offer(self, sender: NodeId, snapshot: Snapshot) -> None:
        incoming = self._incoming
        if self._replica.driver.stopped:
            return
        if snapshot.id == self._received_id:
            self._transport.send(sender, Taken(snapshot.id, True))
            self._told_core(sender, snapshot)  # which may not have known its sender for what it is, the first time
            return
        if self.newest is not None and self.newest.index >= snapshot.index:
            # Older than ours, or the answer to an earlier offer was lost.
            self._transport.send(sender, Taken(snapshot.id, True))
            if self.newest.id == snapshot.id:
                self._told_core(sender, snapshot)
            return
        if incoming is None or self._gives_way(incoming, snapshot):
            self._stop_receiving()
            try:
                receiving = self._store.receive(snapshot)
            except (StorageError, OSError) as error:
                self._log.warning("snapshot cannot be received", sender=sender, reason=str(error))
                self._transport.send(sender, Taken(snapshot.id, False))
                return
            self._incoming = incoming = _Incoming(sender, snapshot, receiving, self._now_ms, self._now_ms)
            self._go_on(incoming)
        elif incoming.snapshot.id == snapshot.id and incoming.sender != sender:
            incoming.sender = sender
            self._go_on(incoming)

    def _gives_way(self, incoming: _Incoming, offered: Snapshot) -> bool:
        if incoming.finishing or incoming.snapshot.id == offered.id:
            return False
        return incoming.snapshot.index < offered.index or self._now_ms - incoming.moved_ms > TAKE_OVER_MS

    def _stop_receiving(self) -> None:
        """What has come stays on the disk."""
        if self._incoming is not None:
            self._incoming.receiving.close()
            self._incoming = None

    def _go_on(self, incoming: _Incoming) -> None:
        """Ask for what is missing, or end it if nothing is: an earlier life may have received all of it."""
        if incoming.finishing:
            return
        if incoming.receiving.offset < incoming.snapshot.size:
            self._pull(incoming)
        else:
            incoming.finishing = True
            self._start(self._finish(incoming))

    def _pull(self, incoming: _Incoming) -> None:
        incoming.asked_ms = self._now_ms
        self._transport.send(incoming.sender, Pull(incoming.snapshot.id, incoming.receiving.offset))

    def _on_pull(self, sender: NodeId, pull: Pull) -> None:
        outgoing = self._outgoing.get(sender)
        if outgoing is None or outgoing.snapshot.id != pull.id:
            return
        outgoing.moved_ms = self._now_ms
        try:
            data = self._store.read_chunk(outgoing.snapshot, pull.offset, CHUNK_BYTES)
        except (OSError, StorageError) as error:
            self._log.warning("snapshot cannot be read", reason=str(error))
            self._end_outgoing(sender, ok=False)
            return
        if not data:
            # Cut short on our disk: the receiver would ask for this piece for ever.
            self._log.warning("snapshot cannot be read", reason=f"{outgoing.snapshot.id} has no byte at {pull.offset}")
            self._end_outgoing(sender, ok=False)
            return
        self._transport.send(sender, Chunk(pull.id, pull.offset, data))

    def _on_chunk(self, sender: NodeId, chunk: Chunk) -> None:
        incoming = self._incoming
        if incoming is None or incoming.snapshot.id != chunk.id or incoming.receiving.offset != chunk.offset or incoming.finishing:
            return
        if self._replica.driver.stopped:
            return
        incoming.moved_ms = self._now_ms
        try:
            incoming.receiving.write(chunk.data)
        except (ValueError, OSError) as error:
            self._log.warning("received snapshot is no use", sender=sender, reason=str(error))
            self._stop_receiving()
            self._transport.send(sender, Taken(chunk.id, False))
            return
        self._go_on(incoming)

    async def _finish(self, incoming: _Incoming) -> None:
        try:
            await asyncio.to_thread(incoming.receiving.finish)
        except (StorageError, OSError) as error:
            incoming.receiving.close()
            self._log.warning("received snapshot is no use", sender=incoming.sender, reason=str(error))
            self._transport.send(incoming.sender, Taken(incoming.snapshot.id, False))
        else:
            self._received_id = incoming.snapshot.id
            self._transport.send(incoming.sender, Taken(incoming.snapshot.id, True))
            self._told_core(incoming.sender, incoming.snapshot)
        if self._incoming is incoming:
            self._incoming = None

    def _told_core(self, sender: NodeId, snapshot: Snapshot) -> None:
        core = self._replica.core
        self._replica.driver.tell(lambda: core.received(sender, snapshot))

    def _on_taken(self, sender: NodeId, taken: Taken) -> None:
        outgoing = self._outgoing.get(sender)
        if outgoing is not None and outgoing.snapshot.id == taken.id:
            self._end_outgoing(sender, ok=taken.ok)

    def _end_outgoing(self, to: NodeId, *, ok: bool) -> None:
        outgoing = self._outgoing.pop(to)
        if not self._outgoing:
            # A file held open keeps its blocks, even one that a newer snapshot has replaced.
            self._store.close()
        core = self._replica.core
        self._replica.driver.tell(lambda: core.transferred(to, outgoing.snapshot, ok))

    def look(self, now_ms: int) -> None:
        """Ten times a second: what was lost is asked for again, what does not move is given up."""
        self._now_ms = now_ms
        if self._failed_ms is not None and now_ms - self._failed_ms > RETRY_MS:
            self._failed_ms = None
        for peer, outgoing in list(self._outgoing.items()):
            if now_ms - outgoing.moved_ms > GIVE_UP_MS:
                self._end_outgoing(peer, ok=False)
            elif now_ms - max(outgoing.moved_ms, outgoing.offered_ms) > PULL_AGAIN_MS:
                # Lost, or the receiver began a new life in the middle of it.
                outgoing.offered_ms = now_ms
                self._transport.send(peer, Offer(outgoing.snapshot))
        incoming = self._incoming
        if incoming is None or incoming.finishing:
            return
        if now_ms - incoming.moved_ms > GIVE_UP_MS:
            self._stop_receiving()
        elif now_ms - incoming.asked_ms > PULL_AGAIN_MS:
            self._pull(incoming)
