"""Ports: the one address by which a source reaches a destination, and what listens there.

The rule: a port stays ours while it refuses: a socket that is bound and never listens keeps it, so that a dialler gets ECONNREFUSED
and no other process gets the port.
"""

import asyncio
import socket
from collections.abc import Callable

from quorate.cluster.faults.framing import Framer
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.relay import Relay
from quorate.cluster.faults.timing import Timing
from quorate.cluster.runtime.config import split_address
from quorate.cluster.wire.errors import QuorateError

CONNECTIONS_MAX = 1_024
"""Of one port; the oldest is reset for one more. Behind a cut each redial leaves one until the cut is healed."""
BACKLOG = 128
ANSWER_S_MAX = 0.5
"""On this machine a listener answers at once."""


class PortTaken(QuorateError):
    """The proxy cannot listen where it was told to."""


class Port:
    """From `forward.pair[0]` to `forward.pair[1]`, and the answers back."""

    def __init__(
        self,
        listen: str,
        upstream: str,
        forward: Link,
        backward: Link,
        timing: Timing,
        framer: Callable[[], Framer],
        reply_framer: Callable[[], Framer],
        *,
        is_of_peers: bool,
    ) -> None:
        self.listen, self.upstream = listen, upstream
        self.forward, self.backward = forward, backward
        self.framer, self.reply_framer = framer, reply_framer
        self.is_of_peers = is_of_peers
        self.enabled = True
        self._timing = timing
        self._reservation: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._changing = asyncio.Lock()
        self._stopped = False
        self.relays: dict[Relay, None] = {}
        self.accepted = self.refusals = self.failed_dials = 0
        self.last_problem = ""

    def __repr__(self) -> str:
        return f"<Port {self.forward.name} {self.address} relays={len(self.relays)}>"

    @property
    def name(self) -> str:
        return self.forward.name

    @property
    def address(self) -> str:
        """Where it listens, or would if nothing refused."""
        if self._reservation is None:
            return self.listen
        host, port = self._reservation.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self) -> None:
        try:
            host, port = split_address(self.listen)
            if port and _answers(host, port):
                raise OSError("somebody listens there already")
            self._reservation = _bound(host, port)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise PortTaken(f"cannot listen on {self.listen} for {self.name}: {why}; choose another address") from None
        await self.adjust()

    async def adjust(self) -> None:
        """Listen, or do not, as the fault of the way forward says."""
        async with self._changing:
            wanted = self.enabled and not self._stopped and not self.forward.fault.refuse
            if wanted and self._server is None and self._reservation is not None:
                listening = _bound(*self._reservation.getsockname()[:2])
                self._server = await asyncio.get_running_loop().create_server(self._accept, sock=listening, backlog=BACKLOG)
            elif not wanted and self._server is not None:
                server, self._server = self._server, None
                server.close()

    @property
    def is_listening(self) -> bool:
        return self._server is not None

    def _accept(self) -> asyncio.Protocol:
        self.accepted += 1
        if len(self.relays) >= CONNECTIONS_MAX:
            next(iter(self.relays)).break_off("too many connections")
        relay = Relay(self, self._timing, lambda ended: self.relays.pop(ended, None))
        self.relays[relay] = None
        return relay.near

    def refused(self, because: str) -> None:
        self.refusals += 1
        self.last_problem = because
        self.forward.events.tell("refused", link=self.name, because=because)

    def unreachable(self, error: BaseException) -> None:
        self.failed_dials += 1
        self.last_problem = f"{self.upstream}: {getattr(error, 'strerror', None) or error or 'no answer in time'}"
        self.forward.events.tell("unreachable", link=self.name, because=self.last_problem)

    def heal(self) -> None:
        for relay in list(self.relays):
            relay.heal()

    def close_connections(self) -> None:
        for relay in list(self.relays):
            relay.close()

    async def stop(self) -> None:
        self._stopped = True
        await self.adjust()
        self.close_connections()
        if self._reservation is not None:
            self._reservation.close()


def _answers(host: str, port: int) -> bool:
    """Whether anybody listens there. To bind would not tell: sockets that may share a port share it with another proxy's too."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as caller:
        caller.settimeout(ANSWER_S_MAX)
        return caller.connect_ex((host, port)) == 0


def _bound(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.setblocking(False)
        made.bind((host, port))
    except OSError:
        made.close()
        raise
    return made
