"""Writes: one straight line while all is well, and a patient one that makes sure each is applied once when it is not.

The rule: every attempt of a write carries the same session and sequence, so it may be repeated after any uncertain end. Its
outcome is definite only if no attempt before the last had an uncertain end.
"""

from quorate.cluster.client.calls import Calls
from quorate.cluster.client.connection import Connection, DeadlinePassed
from quorate.cluster.client.session import NoSession, Session
from quorate.cluster.client.sessions import Sessions
from quorate.cluster.client.timing import sleep
from quorate.cluster.wire.errors import BadRequest, Overloaded, QuorateError, SessionExpired, Unavailable, Uncertain
from quorate.protocols.sessions import Status

WINDOW_PAUSE_MS = 5
"""How soon to look again whether a full session has room: it fills only when one write is stuck and thousands overtook it."""


class Writes:
    """Commands to the leader, in the client's session."""

    def __init__(self, calls: Calls, sessions: Sessions) -> None:
        self._calls = calls
        self._sessions = sessions
        self._leader = calls.leader
        self._network = calls.network
        self._group = calls.group
        self._now_ms = calls.timing.now_ms

    async def propose(self, command: bytes, timeout_ms: int) -> bytes:
        """Apply a command once; the machine's result. Errors are definite unless they say otherwise."""
        deadline_ms = self._now_ms() + timeout_ms
        session = self._sessions.current
        connection = self._leader.connection
        if session is None or session.is_full or connection is None or connection.crowded:
            return await _Write(self, self._calls, command, deadline_ms).run()
        if not self._network.is_sweeping:
            self._network.begin_sweeping()
        sequence = session.begin()
        try:
            reply = await connection.call("propose", (self._group, session.envelope(sequence, command)), deadline_ms)
        except QuorateError as error:
            write = _Write(self, self._calls, command, deadline_ms)
            write.session, write.sequence = session, sequence
            return await write.resume(error, connection)
        except BaseException:
            session.end(sequence)  # cancelled: the caller has gone, nobody will repeat it
            raise
        if type(reply) is bytes and reply and not reply[0]:
            session.end(sequence)
            return reply[1:]
        write = _Write(self, self._calls, command, deadline_ms)
        write.session, write.sequence = session, sequence
        return await write.resume(write.refusal(reply), connection)

    async def session(self, deadline_ms: int) -> Session | NoSession:
        session = await self._sessions.wait(deadline_ms)
        while session.is_full:
            if self._now_ms() >= deadline_ms:
                raise Overloaded("one write of this client is stuck, and thousands after it wait for its outcome")
            await sleep(self._calls.timing, WINDOW_PAUSE_MS)
            session = await self._sessions.wait(deadline_ms)
        return session

    def expired(self, session: Session | NoSession) -> None:
        self._sessions.expired(session)


class _Write:
    """One write off the straight line: its attempts, and whether one of them had an uncertain end."""

    __slots__ = ("attempt", "calls", "command", "deadline_ms", "is_uncertain", "sequence", "session", "writes")

    def __init__(self, writes: Writes, calls: Calls, command: bytes, deadline_ms: int) -> None:
        self.writes = writes
        self.calls = calls
        self.command = command
        self.deadline_ms = deadline_ms
        self.session: Session | NoSession | None = None
        self.sequence = 0
        self.attempt = 0
        self.is_uncertain = False

    async def resume(self, error: QuorateError, connection: Connection) -> bytes:
        """Go on after a first attempt that failed."""
        try:
            await self._recover(error, connection)
            return await self._attempts()
        finally:
            self._end()

    async def run(self) -> bytes:
        try:
            return await self._attempts()
        finally:
            self._end()

    def refusal(self, reply: object) -> QuorateError:
        """The error that a reply without a result is."""
        status = reply[0] if type(reply) is bytes and reply else -1
        match status:
            case Status.EXPIRED:
                return SessionExpired("this client's session had expired: the write may have been made under it")
            case Status.FULL:
                return Overloaded("the cluster keeps as many results for this session as it may")
            case Status.MALFORMED:
                return BadRequest("the node does not understand this client's envelope")
            case _:
                return Uncertain(f"the node answered a write with {reply!r:.100}")

    async def _attempts(self) -> bytes:
        while True:
            connection: Connection | None = None
            try:
                if self.session is None:
                    self.session = await self.writes.session(self.deadline_ms)
                    self.sequence = self.session.begin()
                connection = await self.calls.leader.wait(self.deadline_ms)
                envelope = self.session.envelope(self.sequence, self.command)
                reply = await self.calls.ask(connection, "propose", (self.calls.group, envelope), self.deadline_ms)
                if type(reply) is bytes and reply and not reply[0]:
                    return reply[1:]
                raise self.refusal(reply)
            except QuorateError as error:
                await self._recover(error, connection)

    async def _recover(self, error: QuorateError, connection: Connection | None) -> None:
        """Get ready for another attempt, or raise what the caller gets."""
        if isinstance(error, SessionExpired) and self.session is not None:
            self.writes.expired(self.session)
            if self.is_uncertain:
                raise error from None
            # The only attempt that can have reached the log was refused there: it is safe under a new session.
            self._end()
            return
        if isinstance(error, Uncertain):
            self.is_uncertain = True
            if self.session is not None and not self.session.is_exactly_once:
                raise self._uncertain(error) from None
        try:
            await self.calls.recover(error, connection, self.attempt, self.deadline_ms)
        except QuorateError as last:
            raise self._outcome(last) from None
        self.attempt += 1

    def _outcome(self, error: QuorateError) -> QuorateError:
        """What the last error means, after all attempts."""
        if self.is_uncertain:
            return self._uncertain(error)
        if isinstance(error, Unavailable) and type(error) is not Unavailable:
            return self.calls.no_answer()
        return error

    def _uncertain(self, error: QuorateError) -> QuorateError:
        why = "no reply in time" if isinstance(error, DeadlinePassed) else error.message
        return Uncertain(f"the write may have been made, or may still be: {why}; {self.calls.network.describe()}")

    def _end(self) -> None:
        if self.session is not None:
            self.session.end(self.sequence)
            self.session = None
