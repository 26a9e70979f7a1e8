"""Where a command runs: how it reaches a cluster, which one it means, and how it runs what it awaits.

Which cluster: --endpoints, else QUORATE_ENDPOINTS, else the local cluster in --data, QUORATE_LOCAL or the default directory.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from quorate.cluster.wire.errors import NotLeader, QuorateError, Unavailable

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from quorate.cluster.client import Client

T = TypeVar("T")
Connector = Callable[[str, float], "AbstractAsyncContextManager[Client]"]
"""(endpoints, seconds that an operation may take) -> a client."""


@asynccontextmanager
async def connector(endpoints: str, timeout_s: float) -> "AsyncIterator[Client]":
    from quorate.cluster.client import Client

    # The client is entered before it has reached anyone: Ctrl-C while it still looks for a node must close it too.
    async with Client(endpoints, timeout=timeout_s) as client:
        yield await client.start()


@dataclass(slots=True)
class Surroundings:
    """One per run of the command; tests give their own connector and environment."""

    connect: Connector = connector
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    endpoints: str | None = None
    """As given before the sub-command; what is given after it wins."""
    data: str | None = None
    named_group: str | None = None

    @property
    def group(self) -> str:
        """Of the cluster: whose keys, leader and members are meant. Empty where none is named."""
        return self.named_group or self.environment.get("QUORATE_GROUP") or ""

    def directory(self, data: str | None) -> Path:
        """The directory of the local cluster."""
        chosen = data or self.data or self.environment.get("QUORATE_LOCAL")
        if chosen:
            return Path(chosen).expanduser().absolute()
        state = self.environment.get("XDG_STATE_HOME")
        home = Path(state) if state else Path(self.environment.get("HOME") or "~").expanduser() / ".local" / "state"
        return home / "quorate" / "local"

    def named_endpoints(self, endpoints: str | None, data: str | None = None) -> str | None:
        """What the caller named, if anything. A directory named in the command stands above endpoints of the environment."""
        named = endpoints or (None if data else self.endpoints)
        return named or (None if data or self.data else self.environment.get("QUORATE_ENDPOINTS")) or None

    def reach(self, endpoints: str | None, data: str | None) -> str:
        """The endpoints to connect to. Says at once when they are those of a local cluster that does not run."""
        named = self.named_endpoints(endpoints, data)
        if named:
            return named
        from quorate.cluster.local.directory import Directory, NoLocalCluster

        place = Directory(self.directory(data))
        try:
            nodes = place.read().nodes
        except NoLocalCluster:
            raise NoLocalCluster(
                f"no cluster to talk to: there is no local one in {place.path}; "
                "start it with `quorate up`, or name nodes with --endpoints HOST:PORT,... or QUORATE_ENDPOINTS"
            ) from None
        if not any(node.running for node in nodes.values()):
            raise Unavailable(f"no node of the local cluster in {place.path} runs; start it with `quorate up`")
        return ",".join(node.client for node in nodes.values())

    def local_address(self, name: str, endpoints: str | None, data: str | None) -> str:
        """The client address of that node, if the cluster that is meant is the local one and has it; else nothing."""
        if self.named_endpoints(endpoints, data):
            return ""
        from quorate.cluster.local.directory import Directory

        node = Directory(self.directory(data)).read().nodes.get(name)
        return node.client if node else ""

    def hint(self, error: QuorateError, endpoints: str | None, data: str | None) -> str:
        """What a person does next about an unreachable local cluster."""
        if not isinstance(error, (Unavailable, NotLeader)):
            return ""
        if self.named_endpoints(endpoints, data):
            return "`quorate status` shows which nodes answer"
        from quorate.cluster.local.directory import Directory

        try:
            nodes = Directory(self.directory(data)).read().nodes
        except QuorateError:
            return ""
        down = [name for name, node in nodes.items() if not node.running]
        if down:
            return f"start the others with `quorate start {' '.join(down)}`, or look at `quorate status`"
        paused = [name for name, node in nodes.items() if node.paused]
        if paused:
            return f"{', '.join(paused)} stands still (SIGSTOP); let it go on with `quorate kill {paused[0]} --signal CONT`"
        return "`quorate status` shows the nodes, `quorate logs` what they say"


class Hinted(Exception):
    """An error, with what to do next."""

    def __init__(self, error: QuorateError, hint: str) -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


def _fast_loop() -> "AbstractEventLoop":
    import uvloop

    return uvloop.new_event_loop()


def of(context: typer.Context) -> Surroundings:
    found = context.obj
    assert isinstance(found, Surroundings), found
    return found


def with_client(
    context: typer.Context,
    endpoints: str | None,
    data: str | None,
    timeout_s: float,
    work: "Callable[[Client], Awaitable[T]]",
    *,
    heavy: bool = False,
) -> T:
    """Connect, do the work, close; its result. Everything a command awaits happens in here. `heavy` work is worth the
    time that it takes to load a faster event loop."""
    import asyncio

    here = of(context)
    reached = here.reach(endpoints, data)

    async def working() -> T:
        async with here.connect(reached, timeout_s) as client:
            return await work(client.group(here.group) if here.group else client)

    try:
        with asyncio.Runner(loop_factory=_fast_loop if heavy else None) as runner:
            return runner.run(working())
    except QuorateError as error:
        raise Hinted(error, here.hint(error, endpoints, data)) from None
