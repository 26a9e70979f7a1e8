"""What a run looks like from outside while it lasts: each node's role and progress, each link's state, and whether the proxy lives.

The rule: what was not seen is not guessed. A node that does not answer is `unreachable`, `paused` or `down`, as its process is.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import aiohttp

from quorate.cluster.chaos.record import LinkState, Progress, Reachability, Role, Span
from quorate.cluster.client.connection import Connection
from quorate.cluster.client.status import GroupStatus, NodeStatus, decode_status
from quorate.cluster.local import LocalCluster
from quorate.cluster.runtime.config import split_address
from quorate.cluster.wire.errors import QuorateError, Unavailable

GROUP = "default"
POLL_S = 0.1
"""Between two questions to a node: a tenth of the default election timeout."""
ANSWER_MS = 300
"""A node on this machine that takes longer is not reached."""
NO_DEADLINE_MS = 1 << 62
"""For the connection: who asks sets its own."""
READY_POLL_S = 0.02
LINKS_POLL_S = 0.2
PROXY_S = 2.0
"""The proxy is a busy process: it is given so long before it is called dead."""
COUNTERS = ("delivered", "dropped", "duplicated", "inverted", "corrupted", "torn", "carried_over", "resets")
ROLES: Mapping[str, Role] = {"leader": "leader", "follower": "follower", "learner": "learner", "observer": "learner", "failed": "down"}
CUTS = ("cut", "black_hole", "half_open", "refuse")
SLOWS = {"delay_ns", "jitter_ns", "jitter", "bytes_per_s", "slicer", "slow_close_ns"}
NO_EFFECTS = {"mode", "only", "first"}


class Line:
    """A connection to one node, opened when it is needed."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def ask(self, method: str, *params: object, within_ms: int = ANSWER_MS) -> object:
        """Its answer. QuorateError, also if there is none in time."""
        try:
            async with asyncio.timeout(within_ms / 1_000):
                async with self._opening:
                    if self._connection is None or not self._connection.is_open:
                        made = Connection(on_notification=lambda *_: None, on_closed=lambda *_: None)
                        await asyncio.get_running_loop().create_connection(lambda: made, *split_address(self._address))
                        self._connection = made
                return await self._connection.call(method, params, NO_DEADLINE_MS)
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"{self._address} gave no answer: {error or 'too slow'}") from None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.abort("seen enough")


@dataclass(slots=True)
class Ribbon:
    """One node over time."""

    spans: list[Span] = field(default_factory=list)
    progress: list[Progress] = field(default_factory=list)

    def see(self, at_ms: float, state: Role, term: int) -> None:
        """Spans are joined while nothing changes; a node that cannot be asked keeps the term that it was last seen in."""
        last = self.spans[-1] if self.spans else None
        term = term or (last.term if last is not None else 0)
        if last is None:
            self.spans.append(Span(at_ms, at_ms, state, term))
        else:
            self.spans[-1] = replace(last, end_ms=at_ms)
            if (last.state, last.term) != (state, term):
                self.spans.append(Span(at_ms, at_ms, state, term))


class Observer:
    """Watches from `start` to `stop`."""

    def __init__(self, cluster: LocalCluster, now_ms: Callable[[], float]) -> None:
        self._cluster = cluster
        self._now_ms = now_ms
        record = cluster.record
        self._lines = {name: Line(node.client) for name, node in record.nodes.items()}
        self._control = record.proxy.control if record.proxy is not None else ""
        self.ribbons = {name: Ribbon() for name in record.nodes}
        self.reachability: list[Reachability] = []
        self.links: dict[str, Mapping[str, object]] = {}
        """As the proxy last told of each."""
        self.modes: dict[str, str] = {}
        self.proxy_died_ms: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._watch(name)) for name in self._lines]
        if self._control:
            self._tasks.append(asyncio.create_task(self._watch_links()))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        for line in self._lines.values():
            line.close()

    def check(self) -> None:
        """Raises what ended the watching, if anything did."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def status(self, name: str) -> NodeStatus | None:
        """What a node says of itself now; None if it does not answer."""
        try:
            return decode_status(await self._lines[name].ask("status"))
        except QuorateError:
            return None

    async def group(self, name: str) -> GroupStatus | None:
        status = await self.status(name)
        return None if status is None else status.groups.get(GROUP)

    async def wait_ready(self, name: str, within_s: float) -> None:
        """Until that node takes part and has caught up, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    status = await self.status(name)
                    if status is not None and status.ready:
                        return
                    await asyncio.sleep(READY_POLL_S)

    async def ask(self, name: str, method: str, *params: object, within_ms: int) -> object:
        return await self._lines[name].ask(method, *params, within_ms=within_ms)

    async def _watch(self, name: str) -> None:
        ribbon = self.ribbons[name]
        while True:
            asked = self._now_ms()
            group = await self.group(name)
            now = self._now_ms()
            if group is None:
                ribbon.see(asked, self._process_state(name), 0)
            else:
                ribbon.see(now, ROLES.get(group.role, "candidate"), group.term)
                ribbon.progress.append(Progress(now, group.commit, group.applied))
            await asyncio.sleep(POLL_S)

    def _process_state(self, name: str) -> Role:
        node = self._cluster.record.nodes[name]
        return "paused" if node.paused else "unreachable" if node.running else "down"

    async def _watch_links(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PROXY_S)) as http:
            while True:
                try:
                    async with http.get(f"http://{self._control}/links") as answer:
                        self._take((await answer.json())["links"])
                except (aiohttp.ClientError, TimeoutError, OSError):
                    if not self._cluster.proxy.pid:
                        self.proxy_died_ms = self._now_ms()
                        return
                await asyncio.sleep(LINKS_POLL_S)

    def _take(self, links: Sequence[Mapping[str, object]]) -> None:
        self.links = {str(link["link"]): link for link in links}
        self.modes = {"clients" if "client" in name else "peers": str(link["mode"]) for name, link in self.links.items()}
        states = {name: link_state(link) for name, link in self.links.items()}
        changed = {name: state for name, state in states.items() if state != "open"}
        if not self.reachability or dict(self.reachability[-1].links) != changed:
            self.reachability.append(Reachability(self._now_ms(), changed))

    @property
    def frames(self) -> dict[str, int]:
        """All that the proxy counted, of all links together."""
        return {name: sum(number(link.get(name)) for link in self.links.values()) for name in COUNTERS}


def link_state(link: Mapping[str, object]) -> LinkState:
    """What a link does to frames, by its view (see faults.views)."""
    fault = link.get("fault")
    if link.get("state") != "faulty" or not isinstance(fault, Mapping):
        return "open"
    if any(fault.get(name) for name in CUTS) and not fault.get("only") and not fault.get("first"):
        return "cut"
    effects = set(fault) - NO_EFFECTS
    return "slow" if effects and effects <= SLOWS else "lossy"


def number(value: object) -> int:
    return value if isinstance(value, int) else 0
