"""All links of a proxy: between every ordered pair of nodes, and between clients and each node.

The rule: links are named source>destination and exist from the start; a fault on one that does not exist is an error before anything
is changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations

from quorate.cluster.faults.events import Events
from quorate.cluster.faults.fault import Mode
from quorate.cluster.faults.framing import ClientFramer, PeerFramer, RawFramer, ReplyFramer
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.listener import Port
from quorate.cluster.faults.tap import Tap
from quorate.cluster.faults.timing import Timing
from quorate.cluster.wire.errors import BadRequest
from quorate.protocols.simulation.shapes import Pair

CLIENT = "client"
"""The name of all clients together in the names of links."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a node really listens."""

    peer: str
    client: str = ""


class ProxyNetwork:
    def __init__(
        self,
        nodes: Mapping[str, Upstream],
        timing: Timing,
        *,
        seed: int = 0,
        host: str = "127.0.0.1",
        listen: Mapping[Pair, str] | None = None,
        peer_mode: Mode = Mode.MESSAGE,
    ) -> None:
        self.nodes = dict(nodes)
        self.timing = timing
        self.seed = seed
        self.events = Events(timing)
        self.tapped: Tap | None = None
        self.links: dict[Pair, Link] = {}
        self.ports: dict[Pair, Port] = {}
        where = listen or {}
        for pair in permutations(nodes, 2):
            self.links[pair] = Link(pair, peer_mode, seed, self.events)
        for pair in permutations(nodes, 2):
            self._add_port(pair, where.get(pair, f"{host}:0"), nodes[pair[1]].peer, is_of_peers=True)
        for name, node in nodes.items():
            if node.client:
                self.links[CLIENT, name] = Link((CLIENT, name), Mode.STREAM, seed, self.events)
                self.links[name, CLIENT] = Link((name, CLIENT), Mode.STREAM, seed, self.events)
                self._add_port((CLIENT, name), where.get((CLIENT, name), f"{host}:0"), node.client, is_of_peers=False)

    def _add_port(self, pair: Pair, listen: str, upstream: str, *, is_of_peers: bool) -> None:
        back = self.links[pair[1], pair[0]]
        framers = (PeerFramer, PeerFramer) if is_of_peers else (ClientFramer, ReplyFramer)
        self.ports[pair] = Port(listen, upstream, self.links[pair], back, self.timing, *framers, is_of_peers=is_of_peers)

    async def add_raw(self, name: str, listen: str, upstream: str) -> Port:
        """A port of its own between anything and anything: bytes, not frames."""
        there, back = (name, "upstream"), ("upstream", name)
        forward, backward = (Link(pair, Mode.STREAM, self.seed, self.events) for pair in (there, back))
        port = Port(listen, upstream, forward, backward, self.timing, RawFramer, RawFramer, is_of_peers=False)
        await port.start()
        return port

    def link(self, pair: Pair) -> Link:
        found = self.links.get(pair)
        if found is None:
            raise BadRequest(f"no link {pair[0]}>{pair[1]}; there are: {', '.join(link.name for link in self.links.values())}")
        return found

    def tap(self, pairs: Iterable[Pair], keep: int) -> None:
        """Keep what becomes of each frame of these links, from now on, instead of what was kept so far."""
        self.untap()
        self.tapped = Tap(self.timing, keep)
        for pair in pairs:
            self.links[pair].tap = self.tapped

    def untap(self) -> None:
        self.tapped = None
        for link in self.links.values():
            link.tap = None

    @property
    def peer_pairs(self) -> list[Pair]:
        return list(permutations(self.nodes, 2))

    async def adjust(self) -> None:
        """After faults have changed: listen where nothing refuses, and let go whose hello an ended fault swallowed."""
        for port in self.ports.values():
            await port.adjust()
            if not port.forward.fault.passes_nothing and not port.backward.fault.passes_nothing:
                port.heal()

    async def start(self) -> None:
        for port in self.ports.values():
            await port.start()

    async def stop(self) -> None:
        for port in self.ports.values():
            await port.stop()
