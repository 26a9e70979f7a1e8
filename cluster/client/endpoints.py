"""The nodes as a client knows them: where they listen, what they are called, how the last attempt to reach them went."""

from collections.abc import Iterable
from dataclasses import dataclass

from quorate.cluster.client.connection import Connection
from quorate.cluster.wire.errors import BadRequest

ENDPOINTS_MAX = 64
"""Far above any sensible cluster: a longer list is a mistake."""


@dataclass(slots=True, eq=False)
class Endpoint:
    """One node. `given` by the caller, or learned from the cluster."""

    host: str
    port: int
    given: bool
    name: str = ""
    """The node's name, once it has told."""
    connection: Connection | None = None
    connecting: bool = False
    failures: int = 0
    """Attempts to connect that failed since the last one that worked."""
    retry_at_ms: int = 0
    shunned_ms: int = 0
    """Until then it is not asked what any node could answer."""
    problem: str = "not tried yet"
    """Why there is no connection, for people."""

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.name} {self.address}" if self.name else self.address


def parse(endpoints: str | Iterable[str]) -> list[tuple[str, int]]:
    """(host, port) of "host:port,host:port" or a list of "host:port". BadRequest says which one is wrong, and why."""
    parts = endpoints.split(",") if isinstance(endpoints, str) else list(endpoints)
    found = list(dict.fromkeys(_parse(part) for part in parts if not (isinstance(part, str) and not part.strip())))
    if not found:
        raise BadRequest('no endpoints: give at least one node as "host:port", for example "127.0.0.1:7001"')
    if len(found) > ENDPOINTS_MAX:
        raise BadRequest(f"{len(found)} endpoints: at most {ENDPOINTS_MAX}")
    return found


def _parse(text: object) -> tuple[str, int]:
    if not isinstance(text, str):
        raise BadRequest(f'an endpoint is a text "host:port", not {text!r:.100}')
    bare = text.strip()
    if "://" in bare:
        raise BadRequest(f'endpoint {bare!r}: leave out the scheme and write "host:port"')
    host, colon, port = bare.rpartition(":")
    if not colon or not host:
        raise BadRequest(f'endpoint {bare!r} lacks a host or a port: write "host:port", for example "127.0.0.1:7001"')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise BadRequest(f'endpoint {bare!r}: write an IPv6 address in brackets, "[::1]:7001"')
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise BadRequest(f"endpoint {bare!r}: the port is a number from 1 to 65535, not {port!r}")
    return host, int(port)
