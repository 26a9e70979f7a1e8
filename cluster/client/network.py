"""All connections of a client: at most one per node, opened when wanted, reopened after a pause, swept together.

The rule: requests never open connections; they ask for what is open, and whoever looks for a leader opens the rest.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random

from quorate.cluster.client.background import Background
from quorate.cluster.client.connection import Connection
from quorate.cluster.client.endpoints import ENDPOINTS_MAX, Endpoint, parse
from quorate.cluster.client.timing import Cancellable, Timing, backoff_ms
from quorate.cluster.wire.errors import BadRequest

SWEEP_MS = 50
"""How late a deadline may be noticed. One timer for all requests of a client, and none while nothing waits."""
LATE_MS = 4 * SWEEP_MS
"""A sweep so late says that this process stood still: replies may lie in the socket, so read them first."""
CONNECT_MS_MAX = 1000
"""A host that answers neither yes nor no to a connection is given up after this, and tried again later."""
SHUN_MS = 1000
"""A node that is cut off from the others is tried again so often with reads that any node can answer."""
REOPEN_SWEEPS = 40
"""After so many sweeps in use, about two seconds, lost connections are tried again: another node may be needed soon."""


class Listener:
    """What the network tells: every method may be replaced by whoever listens."""

    def __init__(self) -> None:
        self.on_open: list[Callable[[Endpoint], None]] = []
        self.on_lost: list[Callable[[Endpoint, Connection], None]] = []
        self.on_notification: list[Callable[[Connection, str, list[object]], None]] = []
        self.on_silent: list[Callable[[Connection], None]] = []
        """Called with every sweep while it lasts."""
        self.on_sweep: list[Callable[[int], bool]] = []
        """Called with the time; True while something there waits."""


class Network:
    """The known nodes and the connections to them."""

    def __init__(
        self, endpoints: list[tuple[str, int]], *, timing: Timing, rng: Random, background: Background, learns: bool = True
    ) -> None:
        self.endpoints = [Endpoint(host, port, given=True) for host, port in endpoints]
        self.listener = Listener()
        self._learns = learns
        self.watch_ids = count(1)
        """A node tells events by connection and id alone, whatever their group."""
        self.keeps_all = False
        """Several groups share these connections: what one of them has no member at, another may."""
        self._timing = timing
        self._rng = rng
        self._background = background
        self._sweep_timer: Cancellable | None = None
        self._sweep_due_ms = 0
        self._sweep_count = 0
        self._turn = 0
        self.is_sweeping = False
        self.is_closed = False

    # What is there

    def open_connections(self) -> list[Connection]:
        return [endpoint.connection for endpoint in self.endpoints if endpoint.connection is not None]

    def any_connection(self) -> Connection | None:
        """An open connection to a node that has told who it is, round robin; one that is shunned only if all are."""
        count = len(self.endpoints)
        now_ms = self._timing.now_ms()
        spare: Connection | None = None
        for step in range(1, count + 1):
            endpoint = self.endpoints[(self._turn + step) % count]
            if endpoint.connection is None or not endpoint.name:
                continue
            if endpoint.shunned_ms <= now_ms:
                self._turn = (self._turn + step) % count
                return endpoint.connection
            spare = spare or endpoint.connection
        return spare

    def shun(self, connection: Connection) -> None:
        """This node could not do what any node can: leave it alone for a while."""
        for endpoint in self.endpoints:
            if endpoint.connection is connection:
                endpoint.shunned_ms = self._timing.now_ms() + SHUN_MS

    def named(self, name: str | None, address: str | None) -> Endpoint | None:
        """The node of that name, else the one at that address, added if it is new and others may be learned.

        The name first: a given address is known to work from here, an advertised one may be for others (containers).
        """
        for endpoint in self.endpoints:
            if name and endpoint.name == name:
                return endpoint
        if not address:
            return None
        try:
            [(host, port)] = parse([address])
        except (BadRequest, ValueError):
            return None
        for endpoint in self.endpoints:
            if (endpoint.host, endpoint.port) == (host, port):
                endpoint.name = endpoint.name or name or ""  # hearsay, until the node tells itself
                return endpoint
        if not self._learns or len(self.endpoints) >= ENDPOINTS_MAX:
            return None
        endpoint = Endpoint(host, port, given=False, name=name or "")
        self.endpoints.append(endpoint)
        return endpoint

    def identify(self, endpoint: Endpoint, name: str) -> None:
        """This endpoint is the node of that name. Learned addresses of the same node are no longer needed."""
        endpoint.name = name
        for other in [other for other in self.endpoints if other.name == name and other is not endpoint and not other.given]:
            if other.connection is None and not other.connecting:
                self.endpoints.remove(other)

    def keep_only(self, names: set[str]) -> None:
        """Forget learned nodes that are no longer members. Given ones stay: the caller knows why."""
        if self.keeps_all:
            return
        gone = [endpoint for endpoint in self.endpoints if not endpoint.given and endpoint.name and endpoint.name not in names]
        for endpoint in gone:
            self.endpoints.remove(endpoint)
            if endpoint.connection is not None:
                endpoint.connection.close("no longer a member")

    def describe(self) -> str:
        """The state of the endpoints, for an error that a person reads."""
        answering = [str(endpoint) for endpoint in self.endpoints if endpoint.connection is not None]
        silent = [f"{endpoint}: {endpoint.problem}" for endpoint in self.endpoints if endpoint.connection is None]
        count = len(self.endpoints)
        text = f"{len(answering)} of {count} nodes {'answers' if len(answering) == 1 else 'answer'}"
        if answering:
            text += f" ({', '.join(answering)})"
        if silent:
            text += f"; {'; '.join(silent)}; start the others or check the endpoints"
        return text

    # Opening and losing

    def open(self, endpoint: Endpoint) -> None:
        """Start to connect, unless it is connected, being connected, or pausing after a failure."""
        if endpoint.connection is None and not endpoint.connecting and not self.is_closed and self._timing.now_ms() >= endpoint.retry_at_ms:
            endpoint.connecting = True
            self._background.start(self._connect(endpoint))

    def open_all(self) -> None:
        for endpoint in self.endpoints:
            self.open(endpoint)

    async def _connect(self, endpoint: Endpoint) -> None:
        """One attempt, with a limit on its time."""
        loop = asyncio.get_running_loop()
        connection = Connection(on_notification=self._on_notification, on_closed=lambda closed, why: self._on_closed(endpoint, closed, why))
        attempt = asyncio.ensure_future(loop.create_connection(lambda: connection, endpoint.host, endpoint.port))
        timer = self._timing.call_later(CONNECT_MS_MAX, attempt.cancel)
        try:
            await attempt
        except OSError as error:
            self._on_unreachable(endpoint, _say(error))
        except asyncio.CancelledError:
            if self.is_closed or not attempt.cancelled():
                raise
            self._on_unreachable(endpoint, f"no connection within {CONNECT_MS_MAX} ms")
        else:
            self._on_connected(endpoint, connection)
        finally:
            endpoint.connecting = False
            timer.cancel()
            if endpoint.connection is not connection:
                connection.abort("not wanted any more")

    def _on_connected(self, endpoint: Endpoint, connection: Connection) -> None:
        if self.is_closed or not connection.is_open:
            return
        connection.begin_watching_silence(self._timing.now_ms())
        endpoint.connection = connection
        endpoint.failures = endpoint.retry_at_ms = 0
        for listener in self.listener.on_open:
            listener(endpoint)

    def _on_unreachable(self, endpoint: Endpoint, problem: str) -> None:
        endpoint.problem = problem
        endpoint.retry_at_ms = self._timing.now_ms() + backoff_ms(endpoint.failures, self._rng)
        endpoint.failures += 1

    def _on_closed(self, endpoint: Endpoint, connection: Connection, why: str) -> None:
        endpoint.problem = why
        if endpoint.connection is connection:
            endpoint.connection = None
            for listener in self.listener.on_lost:
                listener(endpoint, connection)

    def reject(self, endpoint: Endpoint, problem: str) -> None:
        """This node is not one of ours: close it and leave it alone for a while."""
        if endpoint.connection is not None:
            endpoint.connection.close(problem)
        self._on_unreachable(endpoint, problem)

    def _on_notification(self, connection: Connection, method: str, params: list[object]) -> None:
        for listener in self.listener.on_notification:
            listener(connection, method, params)

    # Time

    def begin_sweeping(self) -> None:
        """Something waits from now on. Cheap to call when it is known already: look at `is_sweeping` first."""
        if not self.is_sweeping and not self.is_closed:
            self.is_sweeping = True
            now_ms = self._timing.now_ms()
            for connection in self.open_connections():
                connection.begin_watching_silence(now_ms)
            self._arm(now_ms, SWEEP_MS)

    def _arm(self, now_ms: int, delay_ms: int) -> None:
        self._sweep_due_ms = now_ms + delay_ms
        self._sweep_timer = self._timing.call_later(delay_ms, self._sweep)

    def _sweep(self) -> None:
        now_ms = self._timing.now_ms()
        if now_ms - self._sweep_due_ms > LATE_MS:
            for connection in self.open_connections():
                connection.begin_watching_silence(now_ms)
            self._arm(now_ms, 1)
            return
        busy = False
        for connection in self.open_connections():
            connection.sweep(now_ms)
            busy = busy or connection.in_flight > 0
            if connection.is_silent:
                for told in self.listener.on_silent:
                    told(connection)
        for listener in self.listener.on_sweep:
            busy = listener(now_ms) or busy
        self.is_sweeping = busy
        if busy:
            self._sweep_count += 1
            if self._sweep_count % REOPEN_SWEEPS == 0:
                self.open_all()
            self._arm(now_ms, SWEEP_MS)

    def close(self) -> None:
        self.is_closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for connection in self.open_connections():
            connection.close("the client is closed")


def _say(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    return error.strerror or str(error) or type(error).__name__
