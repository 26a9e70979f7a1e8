"""The Python client of a cluster."""

from collections.abc import Iterable

from quorate.cluster.client.client import SESSION_TTL_S, TIMEOUT_S, Client
from quorate.cluster.client.connecting import Connecting
from quorate.cluster.client.lease import Lease
from quorate.cluster.client.watch import Watch

__all__ = ["Client", "Lease", "Watch", "connect"]


def connect(
    endpoints: str | Iterable[str],
    *,
    timeout: float = TIMEOUT_S,
    group: str = "default",
    exactly_once: bool = True,
    spread_reads: bool = False,
    only_given: bool = False,
    session_ttl: float = SESSION_TTL_S,
) -> Connecting:
    """A client of the cluster at "host:port,host:port" (some of its nodes are enough).

        async with connect("127.0.0.1:7001,127.0.0.1:7002") as client:
            await client.put("x", "1")

    or `client = await connect(...)` and `await client.close()`. `timeout` is the default of every operation, in seconds.
    `group` is one of those that the nodes host; `client.group(name)` gives the others over the same connections.
    Without `exactly_once` an uncertain write is reported at once and never repeated. With `spread_reads` linearizable reads
    go to all nodes in turn, not to the leader. With `only_given` no other node is ever asked: what one node alone says, and no
    way to a leader that is not among them.
    """
    return Connecting(
        Client(
            endpoints,
            timeout=timeout,
            group=group,
            exactly_once=exactly_once,
            spread_reads=spread_reads,
            only_given=only_given,
            session_ttl=session_ttl,
        )
    )
