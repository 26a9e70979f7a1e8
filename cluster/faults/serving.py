"""A proxy from its configuration: nodes and where they listen, run until it is told to stop."""

import asyncio
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from quorate.cluster.faults.control import Control
from quorate.cluster.faults.fault import Mode
from quorate.cluster.faults.listener import PortTaken
from quorate.cluster.faults.network import CLIENT, ProxyNetwork, Upstream
from quorate.cluster.faults.payloads import explain
from quorate.cluster.faults.selectors import WORDS
from quorate.cluster.faults.timing import LoopTiming
from quorate.cluster.runtime.config import Address, ConfigError, Name, Section
from quorate.protocols.simulation.shapes import Pair

CONTROL_DEFAULT = "127.0.0.1:8474"
"""The port on which clients of Toxiproxy look for it."""
NODES_MAX = 64
"""Each pair of nodes costs two ports."""


class NodeSection(Section):
    """Where a node really listens."""

    peer: Address
    client: Address | None = None


class ProxyConfig(Section):
    """The proxy's TOML file."""

    control: Address = CONTROL_DEFAULT
    host: str = "127.0.0.1"
    mode: Literal["stream", "message"] = "message"
    seed: int = Field(default=0, ge=0, lt=1 << 63)
    nodes: dict[Name, NodeSection] = Field(min_length=1, max_length=NODES_MAX)
    links: dict[str, Address] = {}

    @model_validator(mode="after")
    def _links_exist(self) -> "ProxyConfig":
        for name in self.nodes:
            if name in WORDS:
                raise ValueError(f"nodes.{name}: this word selects nodes, so no node may have it as its name")
        for link in self.links:
            source, _, destination = link.partition(">")
            there = destination in self.nodes and source != destination and (source in self.nodes or source == CLIENT)
            if not there or (source == CLIENT and self.nodes[destination].client is None):
                raise ValueError(f'links: no link {link!r}; write "n1>n2" = "host:port" for nodes of this file, or "client>n1"')
        return self

    def network(self) -> ProxyNetwork:
        """Needs a running loop."""
        listen: dict[Pair, str] = {}
        for link, address in self.links.items():
            source, _, destination = link.partition(">")
            listen[source, destination] = address
        nodes = {name: Upstream(node.peer, node.client or "") for name, node in self.nodes.items()}
        return ProxyNetwork(nodes, LoopTiming(), seed=self.seed, host=self.host, listen=listen, peer_mode=Mode(self.mode))


def load(path: Path) -> ProxyConfig:
    """ConfigError names the file and every wrong field."""
    try:
        return ProxyConfig.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give an existing file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as problem:
        raise ConfigError(f"{path}: {explain(problem)}") from None


async def serve(config: ProxyConfig, on_listening: Callable[[Control], None]) -> None:
    """Until SIGTERM or SIGINT. Stopping closes every connection, and with them every fault."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    network = config.network()
    control = Control(network)
    try:
        await network.start()
        try:
            await control.listen(config.control)
        except OSError as error:
            why = error.strerror or error
            raise PortTaken(f"cannot listen on {config.control} for control: {why}; choose another with control = ...") from None
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(control.transactions.keep_ports())
            on_listening(control)
            await stopping.wait()
            keeping.cancel()
    finally:
        await control.stop()
        await network.stop()
