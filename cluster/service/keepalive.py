"""Keeping leases alive: judged in the leader's memory, answered after a read barrier.

The lease is renewed first and confirmed afterwards: if another leader has meanwhile expired it, the barrier fails and the
client hears of no renewal. Once an expiry is proposed, the answer waits until the log has decided.
"""

from quorate.cluster.replicated_log import Consistency
from quorate.cluster.runtime.machines import Hosted
from quorate.cluster.service.leases import Renewal
from quorate.cluster.wire.errors import LeaseNotFound, Overloaded, QuorateError, Unavailable
from quorate.cluster.wire.rpc import ServerConnection
from quorate.protocols.core import Clock

# Keep-alives that wait for the outcome of an expiry; each lease has a client or two.
PENDING_MAX = 10_000


class KeepAlives:
    """The keep-alives of one group."""

    def __init__(self, hosted: Hosted, clock: Clock) -> None:
        self._hosted = hosted
        self._clock = clock
        self._pending: list[tuple[ServerConnection, int, int]] = []
        hosted.replica.on_applied.append(self._retry)
        # Without this they would wait for entries that are never applied here.
        hosted.replica.on_failed.append(lambda reason: self._retry())

    def keep_alive(self, connection: ServerConnection, id: int, lease: int) -> None:
        """Replies with the TTL in ms that runs from when the request was taken in."""
        replica = self._hosted.replica
        if replica.failure:
            raise Unavailable(f"{replica.node} stopped: {replica.failure}; mend the cause and restart the node")
        if not replica.serving:
            raise replica.not_leader()
        match self._hosted.keyvalue.deadlines.renew(lease, self._clock.now_ms(), replica.applier.term):
            case Renewal.PENDING:
                if len(self._pending) >= PENDING_MAX:
                    raise Overloaded(f"{PENDING_MAX} keep-alives wait for the outcome of an expiry")
                self._pending.append((connection, id, lease))
            case Renewal.NOT_LEADING:
                raise replica.not_leader()
            case Renewal.RENEWED | Renewal.NOT_FOUND:
                replica.read_for(connection, id, lambda: self._ttl_ms(lease), Consistency.LINEARIZABLE)

    def _ttl_ms(self, lease: int) -> int:
        found = self._hosted.keyvalue.leases.get(lease)
        if found is None:
            raise LeaseNotFound(f"lease {lease} has expired, was revoked, or was never granted")
        return found.ttl_ms

    def _retry(self) -> None:
        """More of the log is applied: perhaps the expiries that some wait for."""
        pending, self._pending = self._pending, []
        for connection, id, lease in pending:
            try:
                self.keep_alive(connection, id, lease)
            except QuorateError as error:
                connection.fail(id, error)
