"""Who leads: found by asking all nodes for their status, followed when a node names another.

The rule: only a node that says of itself that it leads is believed after a search, and never one of an older term. Requests
wait here while nobody leads, so that a failover costs each node a status request now and then, not every request a refusal.
"""

import asyncio
from collections.abc import AsyncIterator
from random import Random

from quorate.cluster.client.background import Background
from quorate.cluster.client.connection import Connection
from quorate.cluster.client.endpoints import Endpoint
from quorate.cluster.client.network import Network
from quorate.cluster.client.status import NodeStatus, decode_status
from quorate.cluster.client.timing import Timing, backoff_ms, sleep
from quorate.cluster.client.waiters import Waiters
from quorate.cluster.wire.errors import BadRequest, NotLeader, QuorateError, Unavailable

PROBE_MS_MAX = 2000
"""A node that takes longer to tell its status is as good as silent."""
HOPS_MAX = 3
"""Hints followed between two searches: two nodes that each name the other must not keep a request for ever."""
LOOK_MS = 1000
"""How often the nodes are asked for their term while somebody wants to hear of new ones."""


class Leader:
    """The connection to the leader, while one is known."""

    def __init__(self, network: Network, *, group: str, timing: Timing, rng: Random, background: Background) -> None:
        self.connection: Connection | None = None
        self.term = 0
        """The highest term that had a leader. Terms only rise, so a leader of a lower one is a leader no more; but a candidate's
        own term may be durable nowhere, and be forgotten with the candidate."""
        self._leading_term = 0
        """The term in which the leader was found to lead, or at least one that it leads after."""
        self.cluster = ""
        """The cluster's id, as the first node told; a node of another one is not ours."""
        self._network = network
        self._group = group
        self._timing = timing
        self._rng = rng
        self._background = background
        self._waiters: Waiters[None] = Waiters("a leader")
        self._search: asyncio.Task[None] | None = None
        self._round: asyncio.Future[None] | None = None
        self._probing: set[Connection] = set()
        self._hops = 0
        network.listener.on_open.append(self._on_open)
        network.listener.on_lost.append(self._on_lost)
        network.listener.on_silent.append(self._on_silent)
        network.listener.on_sweep.append(lambda now_ms: self._waiters.sweep(now_ms, self.absent))

    def absent(self) -> QuorateError:
        """Unavailable, with what is known about the nodes."""
        return Unavailable(f"no leader: {self._network.describe()}")

    async def wait(self, deadline_ms: int) -> Connection:
        """The connection to the leader, now or once there is one. Unavailable at the deadline."""
        while self.connection is None:
            if self._network.is_closed:
                raise closed()
            if self._timing.now_ms() >= deadline_ms:
                raise self.absent()
            found = self._waiters.add(deadline_ms)
            self._network.begin_sweeping()
            self.search()
            await found
        return self.connection

    def close(self) -> None:
        """Nobody waits any longer."""
        self.connection = None
        self._waiters.fail(closed)

    def search(self) -> None:
        """Look for the leader in the background, if nobody does."""
        if self._search is None and not self._network.is_closed:
            self._search = self._background.start(self._searching())
            self._search.add_done_callback(self._on_search_done)

    def refused(self, connection: Connection, error: QuorateError | None = None) -> None:
        """That connection does not lead, or could not carry out what a leader can. Follow its hint, or search."""
        if connection is not self.connection:
            return
        self.connection = None
        hint = self._network.named(error.leader, error.address) if isinstance(error, NotLeader) else None
        if hint is not None and hint.connection is not None and hint.connection is not connection and self._hops < HOPS_MAX:
            self._hops += 1
            self._found(hint.connection)
            self._probe(hint)  # for its term: until it is known, the old leader's word counts as much
            return
        if hint is not None:
            self._network.open(hint)
        self.search()

    async def terms(self) -> AsyncIterator[int]:
        """The present term, then each later one as soon as a search or a look every second finds it."""
        told = -1
        while not self._network.is_closed:
            for endpoint in list(self._network.endpoints):
                self._network.open(endpoint)
                self._probe(endpoint)
            if self.term > max(told, 0):
                told = self.term
                yield told
            else:
                await sleep(self._timing, LOOK_MS)

    # The search

    async def _searching(self) -> None:
        """Ask every node, again and again with pauses, until one leads or nobody wants to know any more."""
        attempt = 0
        while self.connection is None and (self._waiters or attempt == 0):
            for endpoint in list(self._network.endpoints):
                self._network.open(endpoint)
                self._probe(endpoint)
            self._round = asyncio.get_running_loop().create_future()
            timer = self._timing.call_later(backoff_ms(attempt, self._rng), self._end_round)
            try:
                await self._round
            finally:
                timer.cancel()
            attempt += 1

    def _end_round(self) -> None:
        if self._round is not None and not self._round.done():
            self._round.set_result(None)

    def _on_search_done(self, _: "asyncio.Task[None]") -> None:
        self._search = None
        if self.connection is None and self._waiters:
            self.search()

    def _on_open(self, endpoint: Endpoint) -> None:
        if self._search is not None:
            self._probe(endpoint)

    def _on_lost(self, endpoint: Endpoint, connection: Connection) -> None:
        if connection is self.connection:
            self.connection = None
            self.search()

    def _on_silent(self, connection: Connection) -> None:
        """Perhaps another leads already: ask, rather than wait until this one is given up."""
        if connection is self.connection:
            for endpoint in list(self._network.endpoints):
                self._probe(endpoint)

    def _probe(self, endpoint: Endpoint) -> None:
        connection = endpoint.connection
        if connection is None or connection in self._probing:
            return
        self._probing.add(connection)
        answer = connection.call("status_of", (self._group,), self._timing.now_ms() + PROBE_MS_MAX)
        answer.add_done_callback(lambda answer: self._on_status(endpoint, connection, answer))
        self._network.begin_sweeping()

    def _on_status(self, endpoint: Endpoint, connection: Connection, answer: "asyncio.Future[object]") -> None:
        self._probing.discard(connection)
        if answer.cancelled() or endpoint.connection is not connection:
            answer.cancelled() or answer.exception()
            return
        try:
            status = decode_status(answer.result())
        except QuorateError as error:
            endpoint.problem = f"{type(error).__name__}: {error.message}"
            return
        self.learn(endpoint, connection, status)

    def learn(self, endpoint: Endpoint, connection: Connection, status: NodeStatus) -> None:
        """What a node says of itself and of the others."""
        self.cluster = self.cluster or status.cluster
        if status.cluster != self.cluster:
            self._network.reject(endpoint, f"belongs to the cluster {status.cluster}, not to {self.cluster}")
            return
        self._network.identify(endpoint, status.node)
        group = status.groups.get(self._group)
        if group is None or group.term < self.term:
            return
        if group.leader:
            self.term = group.term
        for member in group.members:
            self._network.named(member.name, member.client_address)
        if group.role == "leader":
            self._network.keep_only({member.name for member in group.members})
            self._hops = 0
            if endpoint.connection is connection and (self.connection is None or group.term > self._leading_term):
                self._found(connection)
        elif self._search is not None and (hint := self._network.named(group.leader, group.leader_address)) is not None:
            self._network.open(hint)

    def _found(self, connection: Connection) -> None:
        before, self.connection = self.connection, connection
        self._leading_term = self.term
        if before is not None and before is not connection and before.is_silent:
            before.abort("silent, and another node leads")  # what waits for it goes to the new one
        self._waiters.resolve(None)
        self._end_round()


def closed() -> QuorateError:
    return BadRequest("this client is closed; connect anew")
