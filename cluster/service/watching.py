"""Watches over connections: batches go out as they come, and a client that does not take them only holds up itself."""

import asyncio

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.service.checks import Refusal, checked_bound, checked_number, decoded
from quorate.cluster.service.results import error_of
from quorate.cluster.service.watches import Watcher, WatchHub
from quorate.cluster.wire.errors import BadRequest, QuorateError, to_wire
from quorate.cluster.wire.rpc import WRITE_HIGH_WATER, ServerConnection

LOOK_S = 0.02
"""How often blocked watches look whether their client has taken what was sent."""
ID_MAX = (1 << 63) - 1


class Watching:
    """The watches of one group on this node."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self.hub = WatchHub(hosted.keyvalue)
        self._sinks: dict[ServerConnection, dict[int, _Sink]] = {}
        self._blocked: dict[_Sink, None] = {}
        self._loop = asyncio.get_running_loop()
        self._advance_due = False
        hosted.replica.on_applied.append(self._advance)

    def watch(self, connection: ServerConnection, id: int, watch_id: int, request: bytes) -> None:
        """Replies with the first revision that the watch will see; then notifications follow."""
        start, end, from_revision, previous = _checked(request)
        if not 0 <= watch_id <= ID_MAX:
            raise BadRequest(f"watch id {watch_id} is out of range")

        def begin() -> int:
            if not connection.is_open:
                raise BadRequest("the connection closed before the watch began")
            # Looked at only here: two requests with one id may wait for their barriers together.
            if watch_id in self._sinks.get(connection, ()):
                raise BadRequest(f"watch id {watch_id} is in use on this connection")
            sink = _Sink(self, connection, watch_id)
            sink.watcher = self.hub.watch(start, end, from_revision, sink, previous=previous)
            if connection not in self._sinks:
                self._sinks[connection] = {}
                connection.at_end.append(lambda: self._gone(connection))
            self._sinks[connection][watch_id] = sink
            self._soon()
            return sink.watcher.cursor + 1

        if from_revision:
            connection.reply(id, begin())
        else:
            # "From now on" must mean what every other client would call now, also on a node that lags.
            self._hosted.replica.read_for(connection, id, begin, Consistency.LINEARIZABLE)

    def unwatch(self, connection: ServerConnection, id: int, watch_id: int) -> None:
        sink = self._sinks.get(connection, {}).pop(watch_id, None)
        if sink is not None:
            self._forget(sink)
        connection.reply(id, None)

    def progress(self, connection: ServerConnection, id: int, watch_id: int) -> None:
        sink = self._sinks.get(connection, {}).get(watch_id)
        if sink is None:
            raise BadRequest(f"no watch {watch_id} on this connection")
        sink.watcher.progress()
        self._soon()
        connection.reply(id, None)

    def _gone(self, connection: ServerConnection) -> None:
        for sink in self._sinks.pop(connection, {}).values():
            self._forget(sink)

    def _forget(self, sink: "_Sink") -> None:
        sink.watcher.cancel()
        self._blocked.pop(sink, None)

    def _soon(self) -> None:
        if not self._advance_due:
            self._advance_due = True
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        self._advance_due = False
        if self.hub.advance():
            self._soon()

    def block(self, sink: "_Sink") -> None:
        if not self._blocked:
            self._loop.call_later(LOOK_S, self._look)
        self._blocked[sink] = None

    def _look(self) -> None:
        """Let those go on whose client has taken at least half."""
        for sink in [sink for sink in self._blocked if sink.connection.unsent_size < WRITE_HIGH_WATER // 2]:
            self._blocked.pop(sink, None)
            sink.watcher.resume()
            self._soon()
        if self._blocked:
            self._loop.call_later(LOOK_S, self._look)

    def end(self, sink: "_Sink") -> None:
        self._sinks.get(sink.connection, {}).pop(sink.id, None)
        self._blocked.pop(sink, None)


class _Sink:
    """One watch's way out."""

    def __init__(self, watching: Watching, connection: ServerConnection, id: int) -> None:
        self._watching = watching
        self.connection = connection
        self.id = id
        self.watcher: Watcher

    def deliver(self, batch: bytes) -> bool:
        self.connection.notify("watch_events", [self.id, batch])
        if self.connection.unsent_size < WRITE_HIGH_WATER:
            return True
        self._watching.block(self)
        return False

    def end(self, error: QuorateError) -> None:
        self._watching.end(self)
        self.connection.notify("watch_end", [self.id, to_wire(error)])


def _checked(request: bytes) -> tuple[bytes, bytes, int, bool]:
    try:
        match decoded(request):
            case [start, end, from_revision, bool(previous)]:
                return checked_bound(start), checked_bound(end), checked_number(from_revision, "a revision"), previous
            case _:
                raise BadRequest("a watch is [start, end, from_revision, previous]")
    except Refusal as refusal:
        raise error_of(refusal.result) or BadRequest("not a watch") from None
