"""Opens the client's session before its first write, keeps it alive while idle, and replaces one that has ended.

Callers that need a session at the same time wait for one opening. An opening may be repeated: it is named by a nonce.
"""

from collections.abc import Callable
from contextlib import suppress

from quorate.cluster.client.background import Background
from quorate.cluster.client.calls import Calls
from quorate.cluster.client.leader import closed
from quorate.cluster.client.session import NoSession, Session, nonce
from quorate.cluster.client.timing import sleep
from quorate.cluster.client.waiters import Waiters
from quorate.cluster.wire.errors import Overloaded, QuorateError, Unavailable, Uncertain
from quorate.protocols.sessions import Status, close, open_session, opened, touch

OPEN_MS_MAX = 5_000
"""One opening; callers with more patience start another."""
TOUCHES_PER_TTL = 3
"""An idle session is touched so often within its TTL: two may fail."""


class Sessions:
    """`current` is the session to write under, if there is one: the caller on the hot path looks at it itself."""

    def __init__(
        self, calls: Calls, *, exactly_once: bool, ttl_ms: int, background: Background, make_nonce: Callable[[], bytes] = nonce
    ) -> None:
        self.current: Session | NoSession | None = None if exactly_once else NoSession()
        self._calls = calls
        self._ttl_ms = ttl_ms
        self._background = background
        self._make_nonce = make_nonce
        self._waiters: Waiters[None] = Waiters("a session")
        self._opening = False
        calls.network.listener.on_sweep.append(lambda now_ms: self._waiters.sweep(now_ms, self._late))

    async def wait(self, deadline_ms: int) -> Session | NoSession:
        """The session, opened first if there is none."""
        while self.current is None:
            if self._calls.network.is_closed:
                raise closed()
            opened = self._waiters.add(deadline_ms)
            self._calls.network.begin_sweeping()
            if not self._opening:
                self._opening = True
                self._background.start(self._open(deadline_ms))
            await opened
        return self.current

    def expired(self, session: Session | NoSession) -> None:
        """The nodes no longer know this one: the next write opens another."""
        if session is self.current:
            self.current = None

    async def close(self, deadline_ms: int) -> None:
        """Tell the nodes that the session is no longer needed, if the deadline allows; untold it expires."""
        session, self.current = self.current, None
        if isinstance(session, Session) and self._calls.timing.now_ms() < deadline_ms:
            with suppress(QuorateError):
                await self._propose(close(session.id), deadline_ms)
        self._waiters.fail(closed)

    async def _open(self, deadline_ms: int) -> None:
        deadline_ms = max(deadline_ms, self._calls.timing.now_ms() + OPEN_MS_MAX)
        try:
            reply = await self._propose(open_session(self._make_nonce(), self._ttl_ms), deadline_ms)
            if not reply or reply[0] != Status.OPENED:
                raise Overloaded("the cluster holds as many sessions as it may: close clients that are not needed")
        except QuorateError as error:
            failure = self._late() if isinstance(error, Uncertain) else error
            self._waiters.fail(lambda: type(failure)(failure.message, **failure.details))
            return
        finally:
            self._opening = False
        session = self.current = Session(*opened(reply))
        self._waiters.resolve(None)
        self._background.start(self._keep(session))

    async def _keep(self, session: Session) -> None:
        """Touch the session while nothing is written under it."""
        interval_ms = max(1, session.ttl_ms // TOUCHES_PER_TTL)
        written = session.sequence
        while self.current is session:
            await sleep(self._calls.timing, interval_ms)
            idle, written = session.sequence == written, session.sequence
            if self.current is not session or not idle:
                continue
            try:
                reply = await self._propose(touch(session.id), self._calls.timing.now_ms() + interval_ms)
            except QuorateError:
                continue  # the next write finds out
            if reply and reply[0] == Status.EXPIRED:
                self.expired(session)

    async def _propose(self, envelope: bytes, deadline_ms: int) -> bytes:
        reply = await self._calls.to_leader("propose", (self._calls.group, envelope), deadline_ms)
        return reply if type(reply) is bytes else b""

    def _late(self) -> QuorateError:
        # Definite: the caller's own write was never sent.
        if self._calls.leader.connection is None:
            return self._calls.leader.absent()
        return Unavailable(f"no session could be opened in time: {self._calls.network.describe()}")
