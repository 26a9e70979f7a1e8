"""A lease: keys tied to it vanish when it ends. Kept alive in the background until it is left, revoked or lost.

The rule: the client counts from the moment it *sent* the request that the leader confirmed. So when `lost` is set the lease
may still live on the servers, but while it is not set, and the clocks run at the same speed, it does.
"""

import asyncio
from collections.abc import Generator
from types import TracebackType

from quorate.cluster.client.background import Background
from quorate.cluster.client.calls import Calls
from quorate.cluster.client.connection import ConnectionLost, DeadlinePassed, NotSent
from quorate.cluster.client.timing import Cancellable, sleep
from quorate.cluster.client.writes import Writes
from quorate.cluster.service import commands
from quorate.cluster.service.results import decode_lease_grant, decode_lease_revoke
from quorate.cluster.wire.errors import LeaseNotFound, QuorateError

KEEP_ALIVES_PER_TTL = 3
"""So many in one TTL: two may be lost, or a failover may take a third of the TTL."""


class Lease:
    """One granted lease. Made by `Client.lease`."""

    def __init__(self, id: int, ttl_ms: int, *, sent_ms: int, calls: Calls, writes: Writes, timeout_ms: int) -> None:
        self.id = id
        self.ttl_ms = ttl_ms
        self.lost = asyncio.Event()
        """Set once the lease may have ended: it was not kept alive in time, was revoked, or expired. Never cleared."""
        self._calls = calls
        self._writes = writes
        self._timeout_ms = timeout_ms
        self._expires_ms = sent_ms + ttl_ms
        self._keeper: asyncio.Task[None] | None = None
        self._expiry: Cancellable | None = None

    def __repr__(self) -> str:
        return f"<Lease {self.id} ttl={self.ttl_ms / 1000}s{' lost' if self.lost.is_set() else ''}>"

    async def __aenter__(self) -> "Lease":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            await self.revoke()
        except QuorateError:
            return  # it ends by itself; the block's own error matters more

    def begin_keeping(self, background: Background) -> None:
        self._watch_expiry()
        self._keeper = background.start(self._keep())

    async def keep_alive(self) -> int:
        """Renew it now; the remaining time in ms as the leader confirmed it. LeaseNotFound if it has ended."""
        return await self._keep_alive(self._calls.timing.now_ms() + self._timeout_ms)

    async def revoke(self) -> int:
        """End it now and delete its keys; how many there were. One that has ended already is no error."""
        self._stop()
        try:
            command = commands.encode(commands.lease_revoke(self.id))
            return decode_lease_revoke(await self._writes.propose(command, self._timeout_ms)).deleted
        except LeaseNotFound:
            return 0

    async def _keep_alive(self, deadline_ms: int) -> int:
        sent_ms = self._calls.timing.now_ms()
        try:
            left_ms = await renew(self._calls, self.id, deadline_ms)
        except LeaseNotFound:
            self._stop()
            raise
        self._expires_ms = max(self._expires_ms, sent_ms + left_ms)
        return left_ms

    async def _keep(self) -> None:
        interval_ms = max(1, self.ttl_ms // KEEP_ALIVES_PER_TTL)
        while not self.lost.is_set():
            await sleep(self._calls.timing, interval_ms)
            try:
                await self._keep_alive(self._expires_ms)
            except QuorateError:
                continue  # there is time for another until it expires

    def _watch_expiry(self) -> None:
        """Set `lost` when the time is over, unless it was extended by then."""
        left_ms = self._expires_ms - self._calls.timing.now_ms()
        if left_ms <= 0:
            self._stop()
        elif not self.lost.is_set():
            self._expiry = self._calls.timing.call_later(left_ms, self._watch_expiry)

    def _stop(self) -> None:
        self.lost.set()
        if self._expiry is not None:
            self._expiry.cancel()
        if self._keeper is not None and self._keeper is not asyncio.current_task():
            self._keeper.cancel()


async def renew(calls: Calls, id: int, deadline_ms: int) -> int:
    """One keep-alive, whoever leads; the time in ms that the lease lives from when it was sent. LeaseNotFound."""
    try:
        left_ms = await calls.to_leader("keep_alive", (calls.group, id), deadline_ms)
    except (DeadlinePassed, ConnectionLost, NotSent):
        raise calls.no_answer() from None
    return left_ms if type(left_ms) is int else 0


class LeaseRequest:
    """What `Client.lease` gives: `async with` it or await it; the lease is granted then."""

    def __init__(self, ttl_ms: int, *, id: int, calls: Calls, writes: Writes, background: Background, timeout_ms: int) -> None:
        self._ttl_ms = ttl_ms
        self._id = id
        self._calls = calls
        self._writes = writes
        self._background = background
        self._timeout_ms = timeout_ms
        self._lease: Lease | None = None

    def __await__(self) -> Generator[object, None, Lease]:
        return self._grant().__await__()

    async def __aenter__(self) -> Lease:
        self._lease = await self._grant()
        return self._lease

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._lease is not None
        await self._lease.__aexit__(kind, error, trace)

    async def _grant(self) -> Lease:
        sent_ms = self._calls.timing.now_ms()
        reply = await self._writes.propose(commands.encode(commands.lease_grant(self._ttl_ms, id=self._id)), self._timeout_ms)
        granted = decode_lease_grant(reply)
        lease = Lease(granted.id, granted.ttl_ms, sent_ms=sent_ms, calls=self._calls, writes=self._writes, timeout_ms=self._timeout_ms)
        lease.begin_keeping(self._background)
        return lease
