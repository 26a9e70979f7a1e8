"""LocalCluster: nodes as real processes on this machine, started, stopped, killed, paused and watched.

The rule: who starts a node answers for its end. Attached nodes (the default) end with this process, however it ends;
detached ones (`quorate up --detach`) live on and are found again through cluster.json.
"""

import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from quorate.cluster.client.status import NodeStatus
from quorate.cluster.local.directory import (
    NODES_MAX,
    ClusterRecord,
    Directory,
    LocalError,
    NodeRecord,
    NotReady,
    Settings,
    free_ports,
    merged,
    node_settings,
    toml,
)
from quorate.cluster.local.logs import readable, tail
from quorate.cluster.local.probe import TIMEOUT_S, call, status
from quorate.cluster.local.process import identity_of, node_command, send, spawn, wait_gone
from quorate.cluster.local.proxy import LocalProxy, new_proxy, ports_needed
from quorate.cluster.wire.errors import QuorateError

GROUP = "default"
"""The group that serves coordination; its leader is the leader."""
READY_S = 30.0
"""Three Python processes on a busy machine with two cores, and a log to read."""
STOP_S = 15.0
"""For a hand-over, a flush and the end of the process; after that it is killed."""
KILL_S = 5.0
"""The kernel ends a killed process at once, unless a disk holds it."""
POLL_S = 0.05
"""Between two questions to nodes that are not ready yet."""
PAUSE_POLL_S = 0.001
"""A stop takes effect within a scheduler tick."""
LOG_TAIL_LINES = 5
"""Of a node that does not start, shown in the error."""


class LocalCluster:
    """Real nodes in one directory. Names are n1, n2, ...; methods without a name mean every node."""

    def __init__(self, directory: Directory, *, attached: bool) -> None:
        self._directory = directory
        self._attached = attached
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self.proxy = LocalProxy(directory, attached=attached)
        self._wanted: set[str] = set()
        """Started here, and neither stopped nor killed here: if one of these does not run, something went wrong."""
        self._command: Callable[[Path], list[str]] = lambda config: node_command(config, attached=attached)

    @classmethod
    def create(
        cls,
        directory: Path | str,
        *,
        nodes: int = 3,
        engine: str = "raft",
        settings: Settings | None = None,
        attached: bool = True,
        command: Callable[[Path], list[str]] | None = None,
        proxied: bool = False,
    ) -> "LocalCluster":
        """A new cluster; nothing runs yet. `settings` go to every node, nested as in its configuration file, for instance
        {"timing": {"lease_ms": 200}, "faults": {"files": True}}. `command` gives what runs a configuration file, if not quorate.
        `proxied`: a fault proxy stands between all nodes."""
        if not 1 <= nodes <= NODES_MAX:
            raise LocalError(f"a local cluster has 1 to {NODES_MAX} nodes, not {nodes}")
        ports = iter(free_ports(3 * nodes + (ports_needed(nodes) if proxied else 0)))
        records = {f"n{number}": _new_node(number, ports, join=False) for number in range(1, nodes + 1)}
        place = Directory(Path(directory))
        proxy = new_proxy(tuple(records), ports) if proxied else None
        place.create(ClusterRecord(f"local-{secrets.token_hex(4)}", engine, records, dict(settings or {}), proxy))
        return cls._made(place, attached, command)

    @classmethod
    def open(cls, directory: Path | str, *, attached: bool = True, command: Callable[[Path], list[str]] | None = None) -> "LocalCluster":
        """The cluster that a directory holds, running or not; NoLocalCluster if there is none."""
        place = Directory(Path(directory))
        place.read()
        return cls._made(place, attached, command)

    @classmethod
    def _made(cls, place: Directory, attached: bool, command: Callable[[Path], list[str]] | None) -> "LocalCluster":
        cluster = cls(place, attached=attached)
        if command is not None:
            cluster._command = command
        return cluster

    # -- what it is

    @property
    def directory(self) -> Directory:
        return self._directory

    @property
    def record(self) -> ClusterRecord:
        """cluster.json as it is now."""
        return self._directory.read()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.record.nodes)

    @property
    def endpoints(self) -> str:
        """The client addresses of all nodes, as `connect` takes them."""
        return ",".join(node.client for node in self.record.nodes.values())

    def client_address(self, name: str) -> str:
        return self._node(name).client

    def http_address(self, name: str) -> str:
        return self._node(name).http

    def data_path(self, name: str) -> Path:
        return self._directory.data_path(name)

    def log_path(self, name: str) -> Path:
        return self._directory.log_path(name)

    def is_running(self, name: str) -> bool:
        return self._node(name).running

    def pid(self, name: str) -> int:
        """The running process; 0 if there is none."""
        node = self._node(name)
        return node.pid if node.running else 0

    def exit_code(self, name: str) -> int | None:
        """Of a node that this object started and that has ended; negative: the signal that killed it."""
        child = self._children.get(name)
        return child.poll() if child is not None else None

    def _node(self, name: str) -> NodeRecord:
        nodes = self.record.nodes
        if name not in nodes:
            raise LocalError(f"no node {name!r} in this cluster; it has {', '.join(nodes)}")
        return nodes[name]

    # -- what it does

    def configure(self, name: str, settings: Settings) -> None:
        """Settings of one node over those of the cluster, from its next start on."""
        self._node(name)
        with self._directory.changing() as record:
            node = record.nodes[name]
            node.settings = dict(merged(node.settings, settings))

    def configure_all(self, settings: Settings) -> None:
        """Settings of every node, from their next start on."""
        with self._directory.changing() as record:
            record.settings = dict(merged(record.settings, settings))

    def add_node(self, settings: Settings | None = None) -> str:
        """One more node, which waits to be added to the running cluster (`quorate member add`). Gives its name; start it."""
        with self._directory.changing() as record:
            if record.proxy is not None:
                raise LocalError("this cluster stands behind a fault proxy, whose links are those of its first nodes: it cannot grow")
            if len(record.nodes) >= NODES_MAX:
                raise LocalError(f"a local cluster has at most {NODES_MAX} nodes")
            number = max(node.number for node in record.nodes.values()) + 1
            taken = [int(address.rpartition(":")[2]) for node in record.nodes.values() for address in (node.peer, node.client, node.http)]
            name = f"n{number}"
            record.nodes[name] = _new_node(number, iter(free_ports(3, taken)), join=True)
            record.nodes[name].settings = dict(settings or {})
        return name

    def start(self, *names: str, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Start the nodes that do not run; gives their names. Returns before they are ready. `environment` is added to theirs."""
        started = []
        with self._directory.changing() as record:
            self.proxy.start(record)
            for name in self._chosen(names):
                node = record.nodes[name]
                if node.running:
                    continue
                child = self._spawn(record, name, environment or {})
                identity = identity_of(child.pid)
                node.pid, node.started = child.pid, identity.started if identity else ""
                node.started_at = datetime.now(UTC).isoformat(timespec="seconds")
                self._children[name] = child
                self._wanted.add(name)
                started.append(name)
        return tuple(started)

    def _spawn(self, record: ClusterRecord, name: str, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        directory = self._directory.node_path(name)
        directory.mkdir(parents=True, exist_ok=True)
        config = directory / "node.toml"
        head = "# Made from cluster.json at every start: changes here are lost.\n"
        config.write_text(head + toml(node_settings(record, name, self.data_path(name))), "utf-8")
        old = self._children.pop(name, None)
        if old is not None:
            _forget(old)
        return spawn(self._command(config), log=self.log_path(name), directory=directory, attached=self._attached, environment=environment)

    def stop(self, *names: str, timeout_s: float = STOP_S) -> None:
        """SIGTERM and wait; a paused node is resumed for it; what has not ended by then is killed."""
        chosen = self._chosen(names)
        self._wanted.difference_update(chosen)
        for name in chosen:
            identity = self._node(name).identity
            send(identity, signal.SIGTERM)
            send(identity, signal.SIGCONT)
        deadline = time.monotonic() + timeout_s
        for name in chosen:
            identity = self._node(name).identity
            if identity is not None and not wait_gone(identity, self._children.get(name), deadline):
                self.kill(name)
        self._close(chosen)
        if not names:
            self.proxy.stop()

    def kill(self, *names: str) -> None:
        """kill -9, and wait until the process is gone."""
        chosen = self._chosen(names)
        self._wanted.difference_update(chosen)
        for name in chosen:
            send(self._node(name).identity, signal.SIGKILL)
        deadline = time.monotonic() + KILL_S
        for name in chosen:
            identity = self._node(name).identity
            if identity is not None and not wait_gone(identity, self._children.get(name), deadline):
                raise LocalError(f"{name} (pid {identity.pid}) does not end although it was killed; is its disk stuck?")
        self._close(chosen)

    def _close(self, names: Iterable[str]) -> None:
        for name in names:
            child = self._children.get(name)
            if child is not None and child.poll() is not None and child.stdin is not None:
                child.stdin.close()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Any signal to one running node."""
        if not send(self._node(name).identity, number):
            raise LocalError(f"{name} is not running; start it with `quorate start {name}`")

    def pause(self, name: str) -> None:
        """SIGSTOP, and wait until the process stands still; its connections stay open."""
        self.signal(name, signal.SIGSTOP)
        deadline = time.monotonic() + KILL_S
        # The kernel stops a process a moment after the signal: until then it may still answer.
        while not (node := self._node(name)).paused and node.running and time.monotonic() < deadline:
            time.sleep(PAUSE_POLL_S)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.signal(name, signal.SIGCONT)

    def restart(self, *names: str) -> None:
        """A graceful stop, then a start."""
        self.stop(*names)
        self.start(*names)

    def wipe(self, name: str) -> None:
        """Lose the disk of a node that does not run."""
        if self._node(name).running:
            raise LocalError(f"{name} runs; stop it first with `quorate kill {name}`")
        shutil.rmtree(self.data_path(name), ignore_errors=True)

    def destroy(self) -> None:
        """Kill everything and remove what the cluster kept. Files that it did not make stay."""
        self.kill()
        self.proxy.destroy()
        for name in self.names:
            shutil.rmtree(self._directory.node_path(name), ignore_errors=True)
        self._directory.remove()

    def _chosen(self, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            self._node(name)
        return names or self.names

    # -- what it sees

    def status(self, name: str, *, timeout_s: float = TIMEOUT_S) -> NodeStatus:
        """What a node says of itself; Unavailable if it does not answer."""
        return status(self.client_address(name), timeout_s=timeout_s)

    def call(self, name: str, method: str, *params: object, timeout_s: float = TIMEOUT_S) -> object:
        """Any method of a node's client port."""
        return call(self.client_address(name), method, *params, timeout_s=timeout_s)

    def statuses(self, *, timeout_s: float = TIMEOUT_S) -> dict[str, NodeStatus | None]:
        """Of all nodes, asked at once; None for one that does not answer."""
        nodes = self.record.nodes

        def ask(name: str) -> NodeStatus | None:
            if not nodes[name].running:
                return None
            try:
                return status(nodes[name].client, timeout_s=timeout_s)
            except QuorateError:
                return None

        with ThreadPoolExecutor(max_workers=len(nodes)) as asking:
            return dict(zip(nodes, asking.map(ask, nodes)))

    def leader(self) -> str | None:
        """The node that leads in the highest term, if any says so now."""
        leading = [
            (group.term, name)
            for name, said in self.statuses().items()
            if said is not None and (group := said.groups.get(GROUP)) is not None and group.role == "leader"
        ]
        return max(leading)[1] if leading else None

    def wait_leader(self, *, other_than: str = "", timeout_s: float = READY_S) -> str:
        """The leader, once there is one (and it is not `other_than`)."""
        found: str | None = None

        def there_is_one() -> bool:
            nonlocal found
            found = self.leader()
            return found is not None and found != other_than

        self._wait(there_is_one, "no leader", self.names, timeout_s)
        assert found is not None
        return found

    def wait_ready(self, *names: str, timeout_s: float = READY_S) -> None:
        """Until every named node (by default, every one that runs or was started here) knows a leader and has caught up."""
        chosen = names or tuple(name for name in self.names if name in self._wanted or self.is_running(name))
        for name in chosen:
            self._wait(lambda name=name: self._is_ready(name), "is not ready", (name,), timeout_s)  # type: ignore[misc]

    def _is_ready(self, name: str) -> bool:
        try:
            return self.status(name).ready
        except QuorateError:
            return False

    def _unready_words(self, name: str) -> str:
        """Why it is not, as far as it can be known."""
        try:
            return self.status(name).ready_detail or "it became so just now"
        except QuorateError as error:
            return f"{error.message}; {self._log_words(name)}"

    def _wait(self, condition: Callable[[], bool], what: str, names: tuple[str, ...], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            for name in names:
                code = self.exit_code(name)
                if code is not None and len(names) == 1:
                    raise NotReady(f"{name} ended with {_exit_words(code)}; {self._log_words(name)}")
            if time.monotonic() >= deadline:
                if len(names) == 1:
                    raise NotReady(f"{names[0]} {what} after {timeout_s:g} s: {self._unready_words(names[0])}")
                raise NotReady(f"{what} after {timeout_s:g} s: " + "; ".join(f"{name}: {self._unready_words(name)}" for name in names))
            time.sleep(POLL_S)

    def _log_words(self, name: str) -> str:
        return f"the log of {name} ({self.log_path(name)}) ends:\n" + "\n".join(
            readable(name, line) for line in tail(self.log_path(name), LOG_TAIL_LINES)
        )

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._directory.record_path.exists():
            self.kill()
            self.proxy.stop()


def _exit_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _forget(child: "subprocess.Popen[bytes]") -> None:
    child.wait()
    if child.stdin is not None:
        child.stdin.close()


def _new_node(number: int, ports: Iterator[int], *, join: bool) -> NodeRecord:
    peer, client, http = (f"127.0.0.1:{next(ports)}" for _ in range(3))
    return NodeRecord(number, peer, client, http, join)
