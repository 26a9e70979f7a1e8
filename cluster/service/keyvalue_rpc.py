"""What clients of the key-value machine may ask beyond commands and queries: keeping leases alive."""

from typing import Protocol

from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.service.keepalive import KeepAlives
from quorate.cluster.wire.rpc import Method, ServerConnection
from quorate.protocols.core import Clock


class Hosting(Protocol):
    """What this service needs of its node."""

    @property
    def clock(self) -> Clock: ...

    def hosted(self, group: str) -> Hosted: ...


class KeyValueService:
    """Keep-alives of all groups of a node."""

    def __init__(self, node: Hosting) -> None:
        self._node = node
        self._keep_alives: dict[str, KeepAlives] = {}

    def methods(self) -> dict[str, Method]:
        return {"keep_alive": Method(self._keep_alive, (str, int))}

    def _keep_alive(self, connection: ServerConnection, id: int, group: str, lease: int) -> None:
        keep_alives = self._keep_alives.get(group)
        if keep_alives is None:
            keep_alives = self._keep_alives[group] = KeepAlives(self._node.hosted(group), self._node.clock)
        keep_alives.keep_alive(connection, id, lease)
