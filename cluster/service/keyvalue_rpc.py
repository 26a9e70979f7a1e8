"""What clients of the key-value machine may ask beyond commands and queries: leases kept alive, and watches."""

from typing import Protocol

from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.service.keepalive import KeepAlives
from quorate.cluster.service.watching import Watching
from quorate.cluster.wire.rpc import Method, ServerConnection
from quorate.protocols.core import Clock


class Hosting(Protocol):
    """What this service needs of its node."""

    @property
    def clock(self) -> Clock: ...

    def hosted(self, group: str) -> Hosted:
        """BadRequest names the groups there are; Unavailable while the node is not part of a cluster yet."""


class KeyValueService:
    """Keep-alives and watches of all groups of a node; made for a group when it is first asked for."""

    def __init__(self, node: Hosting) -> None:
        self._node = node
        self._keep_alives: dict[str, KeepAlives] = {}
        self._watching: dict[str, Watching] = {}

    def methods(self) -> dict[str, Method]:
        return {
            "keep_alive": Method(self._keep_alive, (str, int)),
            "watch": Method(self._watch, (str, int, bytes)),
            "unwatch": Method(self._unwatch, (str, int)),
            "watch_progress": Method(self._watch_progress, (str, int)),
        }

    def _keep_alive(self, connection: ServerConnection, id: int, group: str, lease: int) -> None:
        keep_alives = self._keep_alives.get(group)
        if keep_alives is None:
            keep_alives = self._keep_alives[group] = KeepAlives(self._node.hosted(group), self._node.clock)
        keep_alives.keep_alive(connection, id, lease)

    def _watch(self, connection: ServerConnection, id: int, group: str, watch_id: int, request: bytes) -> None:
        self._watches(group).watch(connection, id, watch_id, request)

    def _unwatch(self, connection: ServerConnection, id: int, group: str, watch_id: int) -> None:
        self._watches(group).unwatch(connection, id, watch_id)

    def _watch_progress(self, connection: ServerConnection, id: int, group: str, watch_id: int) -> None:
        self._watches(group).progress(connection, id, watch_id)

    def _watches(self, group: str) -> Watching:
        watching = self._watching.get(group)
        if watching is None:
            watching = self._watching[group] = Watching(self._node.hosted(group))
        return watching
