"""All watches of a client: which connection feeds which, what arrives for them, and nodes that no longer should.

The rule: a node that has lost the cluster is silent without a closed connection, so the nodes that feed watches are asked
for their status now and then; one that is not ready twice running loses its watches to another.
"""

from collections.abc import Iterable
from weakref import WeakValueDictionary

from quorate.cluster.client.background import Background
from quorate.cluster.client.calls import ASK_MS_MAX, CURABLE, Calls
from quorate.cluster.client.connection import Connection, ConnectionLost, DeadlinePassed
from quorate.cluster.client.endpoints import Endpoint
from quorate.cluster.client.status import decode_status
from quorate.cluster.client.timing import Timing, backoff_ms, sleep
from quorate.cluster.client.watch import Watch
from quorate.cluster.wire.errors import ProtocolError, QuorateError, Uncertain, from_wire

LOOK_MS = 1_500
"""How often nodes that feed watches are asked how they are: a cut-off node is left after about twice this."""
UNREADY_COUNT_MAX = 2
"""So often running a node may say that it is not ready: an election is no reason to move every watch."""


class Watches:
    """The source of every Watch."""

    def __init__(self, calls: Calls, background: Background) -> None:
        self.timing: Timing = calls.timing
        self._calls = calls
        self._network = calls.network
        self._background = background
        # Weak: a watch that its caller has dropped without closing it ends with the next event.
        self._active: WeakValueDictionary[tuple[Connection, int], Watch] = WeakValueDictionary()
        self._looking = False
        self._unready: dict[Connection, int] = {}
        self._network.listener.on_notification.append(self._on_notification)
        self._network.listener.on_lost.append(self._on_lost)

    async def subscribe(self, watch: Watch, request: bytes, *, avoid: Connection | None, deadline_ms: int | None) -> tuple[int, int]:
        """(watch id, the first revision it will see) at a node that takes the watch, tried one after the other."""
        attempt = 0
        while True:
            attempt_ms = self.timing.now_ms() + ASK_MS_MAX
            if deadline_ms is not None:
                attempt_ms = min(attempt_ms, deadline_ms)
            try:
                connection = await self._pick(avoid, attempt_ms)
                return await self._begin(watch, connection, request, attempt_ms)
            except CURABLE as error:
                if deadline_ms is not None and self.timing.now_ms() >= deadline_ms:
                    raise self._calls.no_answer() if isinstance(error, Uncertain) else error from None
            await sleep(self.timing, backoff_ms(attempt, self._calls.rng))
            attempt += 1

    def unsubscribe(self, watch: Watch) -> None:
        connection, watch.connection = watch.connection, None
        if connection is not None:
            self._active.pop((connection, watch.id), None)
            connection.tell("unwatch", (self._calls.group, watch.id))

    async def _pick(self, avoid: Connection | None, deadline_ms: int) -> Connection:
        for _ in self._network.endpoints:
            connection = self._network.any_connection()
            if connection is not None and connection is not avoid:
                return connection
        return await self._calls.leader.wait(deadline_ms)

    async def _begin(self, watch: Watch, connection: Connection, request: bytes, deadline_ms: int) -> tuple[int, int]:
        id = watch.id = next(self._network.watch_ids)
        watch.connection = connection
        # Before the reply: events may follow it in the same packet.
        self._active[connection, id] = watch
        try:
            first = await self._calls.ask(connection, "watch", (self._calls.group, id, request), deadline_ms)
        except BaseException:
            self.unsubscribe(watch)
            raise
        if type(first) is not int:
            self.unsubscribe(watch)
            raise ProtocolError(f"the reply to watch is a revision, not {first!r:.100}")
        if not self._looking:
            self._looking = True
            self._background.start(self._look())
        return id, first

    def _on_notification(self, connection: Connection, method: str, params: list[object]) -> None:
        match method, params:
            case "watch_events", [int(id), bytes(payload)]:
                watch = self._active.get((connection, id))
                if watch is not None:
                    watch.on_events(payload)
                else:
                    connection.tell("unwatch", (self._calls.group, id))
            case "watch_end", [int(id), error]:
                watch = self._active.get((connection, id))
                if watch is not None:
                    watch.on_end(None if error is None else from_wire(error))
            case _:
                raise ProtocolError(f"not a notification: {method!r:.100} {params!r:.100}")

    def _on_lost(self, endpoint: Endpoint, connection: Connection) -> None:
        self._unready.pop(connection, None)
        self._move(connection)

    def _move(self, connection: Connection) -> None:
        """Whatever this connection feeds goes on elsewhere."""
        for watch in [watch for (at, _), watch in list(self._active.items()) if at is connection]:
            self.unsubscribe(watch)
            watch.on_lost(connection)

    # Nodes that are cut off

    async def _look(self) -> None:
        while self._active:
            await sleep(self.timing, LOOK_MS)
            self._network.open_all()
            for connection in self._feeding():
                await self._look_at(connection)
        self._looking = False
        self._unready.clear()

    def _feeding(self) -> Iterable[Connection]:
        return dict.fromkeys(connection for connection, _ in list(self._active.keys()))

    async def _look_at(self, connection: Connection) -> None:
        try:
            status = decode_status(await self._calls.ask(connection, "status_of", (self._calls.group,), self.timing.now_ms() + LOOK_MS))
            is_ready = status.ready
        except ConnectionLost:
            return
        except (DeadlinePassed, QuorateError):
            is_ready = False
        self._unready[connection] = 0 if is_ready else self._unready.get(connection, 0) + 1
        if self._unready[connection] >= UNREADY_COUNT_MAX and len(self._network.open_connections()) > 1:
            self._unready[connection] = 0
            self._network.shun(connection)
            self._move(connection)
