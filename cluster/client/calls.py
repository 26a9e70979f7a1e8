"""Requests that may be repeated, and the policy of repeating: what every error means for the next attempt.

The rule: an attempt is repeated only for a reason that another attempt can cure, with a pause where a node could be hammered,
and never beyond the deadline.
"""

from random import Random

from quorate.cluster.client.connection import Connection, ConnectionLost, DeadlinePassed, NotSent
from quorate.cluster.client.leader import Leader
from quorate.cluster.client.network import Network
from quorate.cluster.client.timing import Timing, backoff_ms, sleep
from quorate.cluster.replicated_log import Consistency
from quorate.cluster.wire.errors import NotLeader, Overloaded, QuorateError, Superseded, Unavailable, Uncertain

FREE_ATTEMPTS = 2
"""Attempts before every further one costs a pause: a redirect or a lost connection should cost nothing."""
LEADER_PATIENCE_MS = 300
"""A read that any node can answer waits so long for the leader, about one failover, before it asks another node."""
ASK_MS_MAX = 2_000
"""One attempt at a request that any node can answer; then another node is asked."""

CURABLE = (Unavailable, Uncertain, NotLeader, Superseded, Overloaded)
"""What another node, or the same one later, may do better."""


class Calls:
    """Requests by kind: to the leader, to any node. All of these may safely be repeated."""

    def __init__(self, network: Network, leader: Leader, *, group: str, timing: Timing, rng: Random) -> None:
        self.network = network
        self.leader = leader
        self.group = group
        self.timing = timing
        self.rng = rng

    async def recover(self, error: QuorateError, connection: Connection | None, attempt: int, deadline_ms: int) -> None:
        """Get ready for another attempt, or raise `error` if no other attempt can cure it or the time is over."""
        match error:
            case DeadlinePassed():
                raise error
            case NotSent() | ConnectionLost():
                pass  # the leader is looked for already
            case NotLeader() | Superseded() | Unavailable() | Uncertain():
                if connection is not None:
                    self.leader.refused(connection, error)
            case Overloaded():
                attempt += FREE_ATTEMPTS
            case _:
                raise error
        left_ms = deadline_ms - self.timing.now_ms()
        if attempt >= FREE_ATTEMPTS and left_ms > 0:
            pause = backoff_ms(attempt - FREE_ATTEMPTS, self.rng)
            await sleep(self.timing, min(pause, left_ms))
        if self.timing.now_ms() >= deadline_ms:
            raise error

    async def to_leader(self, method: str, params: tuple[object, ...], deadline_ms: int) -> object:
        """Ask the leader, whoever that is by then, until the deadline. For requests that may be carried out twice."""
        attempt = 0
        while True:
            connection: Connection | None = None
            try:
                connection = await self.leader.wait(deadline_ms)
                return await self.ask(connection, method, params, deadline_ms)
            except QuorateError as error:
                await self.recover(error, connection, attempt, deadline_ms)
            attempt += 1

    async def query(self, consistency: Consistency, query: bytes, deadline_ms: int, *, spread: bool) -> bytes:
        """Read, from the leader or from any node as the consistency allows. Unavailable at the deadline."""
        attempt = 0
        params = (self.group, int(consistency), query)
        while True:
            connection: Connection | None = None
            try:
                if consistency is Consistency.LEADER:
                    connection = await self.leader.wait(deadline_ms)
                    reply = await self.ask(connection, "query", params, deadline_ms)
                else:
                    connection = await self._reader(deadline_ms, spread=spread or consistency is Consistency.LOCAL)
                    reply = await self.ask(connection, "query", params, min(deadline_ms, self.timing.now_ms() + ASK_MS_MAX))
                if type(reply) is bytes:
                    return reply
                raise Unavailable(f"the reply to a query is bytes, not {reply!r:.100}")
            except QuorateError as error:
                if isinstance(error, DeadlinePassed) and self.timing.now_ms() < deadline_ms:
                    error = Unavailable("a node was too slow")
                if connection is not None and isinstance(error, Unavailable):
                    self.network.shun(connection)
                try:
                    await self.recover(error, connection, attempt, deadline_ms)
                except (Uncertain, NotSent):
                    raise self.no_answer() from None
            attempt += 1

    async def ask(self, connection: Connection, method: str, params: tuple[object, ...], deadline_ms: int) -> object:
        """One attempt on one connection, waiting for a place there if it is crowded."""
        if not self.network.is_sweeping:
            self.network.begin_sweeping()
        if connection.crowded:
            await connection.place(deadline_ms)
        return await connection.call(method, params, deadline_ms)

    def no_answer(self) -> QuorateError:
        return Unavailable(f"no answer in time: {self.network.describe()}")

    async def _reader(self, deadline_ms: int, *, spread: bool) -> Connection:
        """The connection for a read that any node can answer."""
        connection = self.network.any_connection() if spread else self.leader.connection
        if connection is not None:
            return connection
        try:
            return await self.leader.wait(min(deadline_ms, self.timing.now_ms() + LEADER_PATIENCE_MS))
        except Unavailable:
            connection = self.network.any_connection()
            if connection is None:
                raise
            return connection
