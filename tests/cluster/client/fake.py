"""A cluster in the test's own process: real TCP, framing and state machine, one log, and every step under the test's control.

All nodes share one state machine; a node that does not lead refuses as a real one would. A node can hold requests back,
lose replies, fall silent, crash and come back. Time is a `FakeTiming` that moves only when told.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from random import Random
from typing import TypeVar

from msgpack import unpackb

from quorate.cluster.client import Client
from quorate.cluster.client.timing import Cancellable
from quorate.cluster.service.keyvalue import KeyValue
from quorate.cluster.service.watches import Watcher, WatchHub
from quorate.cluster.wire.errors import LeaseNotFound, NotLeader, QuorateError, Unavailable, to_wire
from quorate.cluster.wire.rpc import Method, ServerConnection
from quorate.protocols.core import Entry, Kind
from quorate.protocols.sessions import IN_SESSION, PLAIN, Sessions

TURNS_MAX = 20_000
"""Turns of the event loop that a test may wait for something that TCP must bring; far more than any needs."""
STEPS_MAX = 3_000
"""Steps of 10 ms that `finish` lets pass: half a minute of the client's time."""

T = TypeVar("T")


class FakeTiming:
    """Time that stands still until `advance`."""

    def __init__(self) -> None:
        self._now_ms = 1_000
        self._timers: list[tuple[int, int, list[Callable[[], object]]]] = []
        self._count = count()

    def now_ms(self) -> int:
        return self._now_ms

    def call_later(self, delay_ms: int, callback: Callable[[], object]) -> Cancellable:
        cell = [callback]
        heapq.heappush(self._timers, (self._now_ms + delay_ms, next(self._count), cell))
        return _Timer(cell)

    @property
    def timer_count(self) -> int:
        return sum(1 for _, _, cell in self._timers if cell)

    async def advance(self, by_ms: int, *, turns: int = 30) -> None:
        """Move on, timer by timer, with some turns of the event loop after each."""
        end_ms = self._now_ms + by_ms
        while True:
            while self._timers and not self._timers[0][2]:
                heapq.heappop(self._timers)
            if not self._timers or self._timers[0][0] > end_ms:
                break
            due_ms, _, cell = heapq.heappop(self._timers)
            self._now_ms = max(self._now_ms, due_ms)
            cell.pop()()
            await spin(turns)
        self._now_ms = end_ms
        await spin(turns)

    def jump(self, by_ms: int) -> None:
        """Time passes and nothing runs, as when the process is stopped; then what is due runs at the next `advance`."""
        self._now_ms += by_ms


class _Timer:
    def __init__(self, cell: list[Callable[[], object]]) -> None:
        self._cell = cell

    def cancel(self) -> None:
        self._cell.clear()


async def spin(turns: int = 30) -> None:
    """Turns of the event loop, which is all that loopback TCP needs; no time passes."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(predicate: Callable[[], object]) -> None:
    """Turn the event loop until something has come about."""
    for _ in range(TURNS_MAX):
        if predicate():
            return
        await asyncio.sleep(0)
    raise AssertionError("it did not come about")


class FakeNode:
    """One node. `requests` is what it was asked; `errors` are raised for the next proposals and queries, one each."""

    def __init__(self, cluster: "FakeCluster", name: str, number: int) -> None:
        self.cluster = cluster
        self.name = name
        self.number = number
        self.port = 0
        self.cluster_id = "c1"
        self.storage = f"disk-{name}"
        self.advertised = ""
        self.requests: list[tuple[str, tuple[object, ...]]] = []
        self.errors: deque[QuorateError] = deque()
        self.handlers: dict[str, Callable[..., None]] = {}
        self.is_silent = False
        self.loses_replies = False
        self.holds: set[str] = set()
        self._held: list[Callable[[], None]] = []
        self._server: asyncio.Server | None = None
        self.connections: list[ServerConnection] = []
        self.hub = WatchHub(cluster.store)
        self.watchers: dict[tuple[ServerConnection, int], Watcher] = {}
        self.lags = False
        self.is_ready = True

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def asked(self, method: str) -> list[tuple[object, ...]]:
        return [params for name, params in self.requests if name == method]

    async def start(self) -> None:
        status = self._wrap("status", self._status)
        methods = {
            "ping": Method(self._wrap("ping", lambda connection, id: connection.reply(id, "pong")), ()),
            "status": Method(status, ()),
            "status_of": Method(lambda connection, id, group: status(connection, id), (str,)),
            "identity": Method(self._wrap("identity", self._identity), ()),
            "propose": Method(self._wrap("propose", self._propose), (str, bytes)),
            "query": Method(self._wrap("query", self._query), (str, int, bytes)),
            "keep_alive": Method(self._wrap("keep_alive", self._keep_alive), (str, int)),
            "reconfigure": Method(self._wrap("reconfigure", self._reconfigure), (str, list)),
            "transfer": Method(self._wrap("transfer", self._transfer), (str, str)),
            "snapshot": Method(self._wrap("snapshot", self._snapshot), (str,)),
            "watch": Method(self._wrap("watch", self._watch), (str, int, bytes)),
            "unwatch": Method(self._wrap("unwatch", self._unwatch), (str, int)),
        }

        def make() -> ServerConnection:
            return ServerConnection(methods, on_open=self.connections.append, on_closed=self._on_closed)

        self._server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def crash(self) -> None:
        """Gone at once, connections and all. `start` brings it back on the same port."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_connections()
        self._held.clear()

    def drop_connections(self) -> None:
        for connection in list(self.connections):
            connection.abort("crashed")

    def release(self) -> None:
        """Carry out what was held back, and hold nothing from now on."""
        self.holds.clear()
        held, self._held = self._held, []
        for work in held:
            work()

    @property
    def held_count(self) -> int:
        return len(self._held)

    def _on_closed(self, connection: ServerConnection) -> None:
        self.connections.remove(connection)
        for key in [key for key in self.watchers if key[0] is connection]:
            self.watchers.pop(key).cancel()

    def _wrap(self, method: str, handler: Callable[..., None]) -> Callable[..., None]:
        def handle(connection: ServerConnection, id: int, *params: object) -> None:
            self.requests.append((method, params))
            if self.is_silent:
                return
            chosen = self.handlers.get(method, handler)

            def work() -> None:
                try:
                    chosen(connection, id, *params)
                except QuorateError as error:
                    connection.fail(id, error)

            if method in self.holds:
                self._held.append(work)
            else:
                work()

        return handle

    def _status(self, connection: ServerConnection, id: int) -> None:
        cluster = self.cluster
        members = [
            {
                "name": node.name,
                "number": node.number,
                "voter": True,
                "storage": node.storage,
                "client_address": node.advertised or node.address,
            }
            for node in cluster.nodes.values()
            if node.name in cluster.member_names
        ]
        group = {
            "role": "leader" if cluster.leader is self else "follower",
            "term": cluster.term,
            "leader": cluster.leader.name if cluster.leader else "",
            "leader_address": (cluster.leader.advertised or cluster.leader.address) if cluster.leader else "",
            "revision": cluster.store.revision,
            "members": members,
            "free_number": cluster.free_number,
        }
        connection.reply(id, {"node": self.name, "cluster": self.cluster_id, "ready": self.is_ready, "groups": {"default": group}})

    def _identity(self, connection: ServerConnection, id: int) -> None:
        connection.reply(id, {"node": self.name, "cluster": self.cluster_id, "storage": self.storage, "protocol": 1, "engine": "raft"})

    def _leading(self) -> None:
        if self.errors:
            raise self.errors.popleft()
        leader = self.cluster.leader
        if leader is not self:
            raise NotLeader(leader=leader.name if leader else None, address=(leader.advertised or leader.address) if leader else None)

    def _propose(self, connection: ServerConnection, id: int, group: str, command: bytes) -> None:
        self._leading()
        result = self.cluster.apply(command)
        if not self.loses_replies:
            connection.reply(id, result)

    def _query(self, connection: ServerConnection, id: int, group: str, consistency: int, query: bytes) -> None:
        if consistency == 1 or self.errors:
            self._leading()
        if self.cluster.leader is None:
            raise Unavailable("no leader is known here")
        connection.reply(id, self.cluster.machine.query(query))

    def _keep_alive(self, connection: ServerConnection, id: int, group: str, lease: int) -> None:
        self._leading()
        connection.reply(id, self.cluster.renew(lease))

    def _reconfigure(self, connection: ServerConnection, id: int, group: str, change: list[object]) -> None:
        self._leading()
        connection.reply(id, None)

    def _transfer(self, connection: ServerConnection, id: int, group: str, to: str) -> None:
        self._leading()
        self.cluster.lead(to or next(name for name in self.cluster.nodes if name != self.name))
        connection.reply(id, None)

    def _snapshot(self, connection: ServerConnection, id: int, group: str) -> None:
        connection.reply(id, {"id": f"s-{self.name}", "index": self.cluster.index, "term": self.cluster.term, "size": 10})

    def _watch(self, connection: ServerConnection, id: int, group: str, watch: int, request: bytes) -> None:
        start, end, from_revision, previous = unpackb(request)
        watcher = self.hub.watch(start, end, from_revision, _Sink(self, connection, watch), previous=previous)
        self.watchers[connection, watch] = watcher
        connection.reply(id, watcher.cursor + 1)
        self.feed()

    def _unwatch(self, connection: ServerConnection, id: int, group: str, watch: int) -> None:
        watcher = self.watchers.pop((connection, watch), None)
        if watcher is not None:
            watcher.cancel()
        connection.reply(id, None)

    def feed(self) -> None:
        """Send watchers what there is, unless this node lags."""
        while not self.lags and self.hub.advance():
            pass


class _Sink:
    """A watcher's way to its connection."""

    def __init__(self, node: FakeNode, connection: ServerConnection, watch: int) -> None:
        self._batches_left = node.cluster.watches_break_after.popleft() if node.cluster.watches_break_after else 0
        self._connection = connection
        self._watch = watch

    def deliver(self, batch: bytes) -> bool:
        self._connection.notify("watch_events", [self._watch, batch])
        self._batches_left -= 1
        if self._batches_left == 0:
            self._connection.close("broken")
        return True

    def end(self, error: QuorateError) -> None:
        self._connection.notify("watch_end", [self._watch, to_wire(error)])


class FakeCluster:
    """One log and its nodes. `applied` is every command that reached the log, in order, copies included."""

    def __init__(self, *names: str) -> None:
        self.store = KeyValue()
        self.machine = Sessions(self.store)
        self.index = 0
        self.term = 1
        self.applied: list[bytes] = []
        self.nodes = {name: FakeNode(self, name, number) for number, name in enumerate(names, 1)}
        self.member_names = set(names)
        self.free_number: int | None = len(names) + 1
        self.watches_break_after: deque[int] = deque()
        """The next watches lose their connection after so many batches, one number each; then none does."""
        self.leader: FakeNode | None = next(iter(self.nodes.values()))
        self.timing = FakeTiming()
        self._clients: list[Client] = []

    async def __aenter__(self) -> "FakeCluster":
        for node in self.nodes.values():
            await node.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            for node in self.nodes.values():
                node.is_silent = False
                node.holds.clear()
            client.abort()
            await client.close()
        for node in self.nodes.values():
            node.crash()
        await spin()

    def __getitem__(self, name: str) -> FakeNode:
        return self.nodes[name]

    @property
    def endpoints(self) -> str:
        return ",".join(node.address for node in self.nodes.values())

    def client(self, **options: object) -> Client:
        """A client that has not been started; closed with the cluster."""
        options.setdefault("endpoints", self.endpoints)
        client = Client(**options, timing=self.timing, rng=Random(1))  # type: ignore[arg-type]
        self._clients.append(client)
        return client

    async def connected(self, **options: object) -> Client:
        """A client that knows the leader."""
        client = self.client(**options)
        return await self.finish(client.start())

    async def finish(self, work: Awaitable[T]) -> T:
        """Let time pass until `work` is done."""
        task = asyncio.ensure_future(work)
        for _ in range(STEPS_MAX):
            if task.done():
                break
            await self.timing.advance(10, turns=10)
        assert task.done(), "it did not come to an end"
        return await task

    def lead(self, name: str | None) -> None:
        """That node leads from now on, in a new term; None: nobody does."""
        self.leader = self.nodes[name] if name else None
        if name:
            self.term += 1

    def apply(self, command: bytes) -> bytes:
        self.index += 1
        self.applied.append(command)
        result = self.machine.apply(Entry(self.index, self.term, self.index, Kind.COMMAND, command))
        for node in self.nodes.values():
            node.feed()
        return result

    def renew(self, lease: int) -> int:
        """A keep-alive; LeaseNotFound if there is no such lease."""
        found = self.store.leases.get(lease)
        if found is None:
            raise LeaseNotFound(f"lease {lease} has expired")
        return found.ttl_ms

    @property
    def writes(self) -> list[bytes]:
        """The commands that carry data, without the sessions' own."""
        return [command for command in self.applied if command[0] in (PLAIN, IN_SESSION)]
