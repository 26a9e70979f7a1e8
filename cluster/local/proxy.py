"""The fault proxy of a local cluster: one process between all nodes, started before them and ended after them.

The rule: a node is configured with one route for each peer, a port of the proxy that belongs to the two of them alone; the address
by which the others would reach it directly is told to nobody but the proxy.
"""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import permutations

from quorate.cluster.local.directory import ClusterRecord, Directory, ProxyRecord, Settings, toml
from quorate.cluster.local.process import identity_of, is_running, send, spawn, wait_gone

STOP_S = 5.0
"""It has nothing to flush."""
CLIENT = "client"


def ports_needed(nodes: int) -> int:
    """One for each ordered pair, one for each node's clients, one for control."""
    return nodes * (nodes - 1) + nodes + 1


def new_proxy(names: Sequence[str], ports: Iterator[int]) -> ProxyRecord:
    pairs = [*permutations(names, 2), *((CLIENT, name) for name in names)]
    links = {f"{source}>{destination}": f"127.0.0.1:{next(ports)}" for source, destination in pairs}
    return ProxyRecord(f"127.0.0.1:{next(ports)}", links)


def proxy_settings(record: ClusterRecord) -> Settings:
    """The proxy's whole configuration."""
    assert record.proxy is not None, record
    nodes: Settings = {name: {"peer": node.peer, "client": node.client} for name, node in record.nodes.items()}
    return {"control": record.proxy.control, "nodes": nodes, "links": record.proxy.ports}


class LocalProxy:
    def __init__(self, directory: Directory, *, attached: bool) -> None:
        self._directory = directory
        self._attached = attached
        self._place = directory.path / "proxy"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process; 0 if there is none."""
        proxy = self._directory.read().proxy
        return proxy.pid if proxy is not None and is_running(proxy.identity) else 0

    def start(self, record: ClusterRecord) -> None:
        """Unless it runs, or the cluster has none. `record` is being changed by the caller."""
        proxy = record.proxy
        if proxy is None or is_running(proxy.identity):
            return
        self._close()
        place = self._place
        place.mkdir(parents=True, exist_ok=True)
        config = place / "proxy.toml"
        config.write_text("# Made from cluster.json at every start: changes here are lost.\n" + toml(proxy_settings(record)), "utf-8")
        command = [sys.executable, "-m", "quorate.cluster.cli.main", "proxy", str(config), "--json"]
        command += ["--until-stdin-closes"] if self._attached else []
        self._child = spawn(command, log=place / "proxy.log", directory=place, attached=self._attached, environment={})
        identity = identity_of(self._child.pid)
        proxy.pid, proxy.started = self._child.pid, identity.started if identity else ""

    def kill(self) -> None:
        """kill -9: nodes see their connections closed, and reach nobody until it is started again."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def destroy(self) -> None:
        """End it, and remove what it kept."""
        self.kill()
        shutil.rmtree(self._place, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        proxy = self._directory.read().proxy
        identity = proxy.identity if proxy is not None else None
        if identity is not None and send(identity, number) and not wait_gone(identity, self._child, time.monotonic() + STOP_S):
            send(identity, signal.SIGKILL)
            wait_gone(identity, self._child, time.monotonic() + STOP_S)
        self._close()

    def _close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
