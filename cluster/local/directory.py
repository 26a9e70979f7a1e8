"""What a local cluster keeps on disk: cluster.json, and per node its configuration, its data and its log.

DIR/cluster.json     names, ports, settings and process ids
DIR/lock             held for the moment of a change to cluster.json
DIR/up.lock          held by a `quorate up` in the foreground
DIR/proxy/           of the fault proxy, if there is one: proxy.toml, generated at each start, and proxy.log
DIR/n1/node.toml     generated at each start from cluster.json
DIR/n1/data/         what the node keeps
DIR/n1/node.log      JSON lines, over restarts
"""

import contextlib
import fcntl
import json
import os
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from quorate.cluster.local.process import Identity, is_paused, is_running
from quorate.cluster.wire.errors import QuorateError

FORMAT = 1
NODES_MAX = 15
"""More would not make a cluster safer, only slower; odd numbers up to seven are usual."""
PORTS = range(21_000, 32_000)
"""Below the ports that Linux gives to outgoing connections (from 32768), so that a kept port is still free next time."""
PORT_ATTEMPTS_MAX = 10_000

Setting = str | int | float | bool | Mapping[str, "Setting"]
Settings = Mapping[str, Setting]
"""Settings of a node, nested as in its configuration file."""


class LocalError(QuorateError):
    """The local cluster cannot do this now."""


class NotReady(LocalError):
    """A node ended, or did not become ready in time. Those that run were left running."""


class NoLocalCluster(LocalError):
    """There is no local cluster in that directory."""


@dataclass(slots=True)
class NodeRecord:
    """One node as cluster.json knows it."""

    number: int
    peer: str
    client: str
    http: str
    join: bool = False
    """Not one of the founding members: it waits to be added."""
    pid: int = 0
    started: str = ""
    """With the pid, which process it was (see process.Identity)."""
    started_at: str = ""
    """For people: UTC, ISO 8601."""
    settings: dict[str, Setting] = field(default_factory=dict)
    """Of this node alone, over those of the cluster."""

    @property
    def identity(self) -> Identity | None:
        return Identity(self.pid, self.started) if self.pid else None

    @property
    def running(self) -> bool:
        return is_running(self.identity)

    @property
    def paused(self) -> bool:
        identity = self.identity
        return identity is not None and self.running and is_paused(identity)


@dataclass(slots=True)
class ProxyRecord:
    """The fault proxy between all nodes."""

    control: str
    """Of its HTTP API."""
    ports: dict[str, str]
    """By link, "n1>n2": where n1 dials to reach n2."""
    pid: int = 0
    started: str = ""

    @property
    def identity(self) -> Identity | None:
        return Identity(self.pid, self.started) if self.pid else None


@dataclass(slots=True)
class ClusterRecord:
    """cluster.json."""

    cluster: str
    engine: str
    nodes: dict[str, NodeRecord]
    settings: dict[str, Setting] = field(default_factory=dict)
    proxy: ProxyRecord | None = None
    """None: the nodes reach one another directly."""
    format: int = FORMAT


class Directory:
    """The files of one local cluster. Changes to cluster.json go through `changing`."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._up_lock: int | None = None

    @property
    def record_path(self) -> Path:
        return self.path / "cluster.json"

    def node_path(self, name: str) -> Path:
        return self.path / name

    def data_path(self, name: str) -> Path:
        return self.path / name / "data"

    def log_path(self, name: str) -> Path:
        return self.path / name / "node.log"

    def read(self) -> ClusterRecord:
        try:
            values = json.loads(self.record_path.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise NoLocalCluster(f"no local cluster in {self.path}; start one with `quorate up`") from None
        except OSError as error:
            raise LocalError(f"{self.record_path}: {error.strerror}") from None
        except ValueError as error:
            raise LocalError(f"{self.record_path} is damaged ({error}); `quorate down --wipe` removes it and all data") from None
        if values.get("format") != FORMAT:
            raise LocalError(f"{self.record_path} has format {values.get('format')!r}; this version of quorate knows {FORMAT}")
        try:
            nodes = {name: NodeRecord(**node) for name, node in values.pop("nodes").items()}
            proxy = values.pop("proxy", None)
            return ClusterRecord(nodes=nodes, proxy=ProxyRecord(**proxy) if proxy is not None else None, **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise LocalError(f"{self.record_path} is damaged ({error}); `quorate down --wipe` removes it and all data") from None

    def write(self, record: ClusterRecord) -> None:
        beside = self.record_path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(record), indent=2) + "\n", "utf-8")
        beside.replace(self.record_path)

    def remove(self) -> None:
        """Forget the cluster: the record and the locks, and the directory if nothing else is in it."""
        for left in (self.record_path, self.path / "lock", self.path / "up.lock"):
            left.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @contextlib.contextmanager
    def changing(self) -> Iterator[ClusterRecord]:
        """The record, alone; written back at the end unless something was raised."""
        with self._locked():
            record = self.read()
            yield record
            self.write(record)

    def create(self, record: ClusterRecord) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.record_path.exists():
                raise LocalError(f"{self.path} already holds a local cluster; `quorate up` resumes it, `quorate down --wipe` removes it")
            self.write(record)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except (FileNotFoundError, NotADirectoryError):
            raise NoLocalCluster(f"no local cluster in {self.path}; start one with `quorate up`") from None
        except OSError as error:
            raise LocalError(f"{self.path}: {error.strerror}; choose another directory with --data") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def hold_up(self) -> None:
        """Be the one `quorate up` of this directory until `release_up` or the end of this process."""
        handle = os.open(self.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise LocalError(
                f"another `quorate up` (pid {self.up_holder() or 'unknown'}) already runs the cluster in {self.path}; "
                "look at it with `quorate status`, stop it with `quorate down`, or give a directory of its own with --data"
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._up_lock = handle

    def release_up(self) -> None:
        if self._up_lock is not None:
            os.close(self._up_lock)
            self._up_lock = None

    def up_holder(self) -> int:
        """The pid of the last one who held it; 0 if nobody did. Means something only while it is held."""
        try:
            return int((self.path / "up.lock").read_text("ascii"))
        except (OSError, ValueError):
            return 0

    def up_is_held(self) -> bool:
        """Whether a `quorate up` in the foreground, here or elsewhere, looks after this cluster."""
        try:
            handle = os.open(self.path / "up.lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False


def checked_settings(values: Mapping[str, object]) -> dict[str, Setting]:
    """Nested settings of plain values; LocalError names what is none."""
    result: dict[str, Setting] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            result[name] = checked_settings(value)
        elif isinstance(value, (str, int, float, bool)):
            result[name] = value
        else:
            raise LocalError(f"{name}: a setting is a text, a number, true or false, not {value!r:.80}")
    return result


def free_ports(count: int, taken: Sequence[int] = ()) -> list[int]:
    """Ports of 127.0.0.1 on which nobody listens now."""
    # Random, not from one end: clusters made at the same moment must not reach for the same ports.
    chooser = random.SystemRandom()
    found: list[int] = []
    for _ in range(PORT_ATTEMPTS_MAX):
        if len(found) == count:
            return found
        port = chooser.choice(PORTS)
        if port not in taken and port not in found and _is_free(port):
            found.append(port)
    raise LocalError(f"found no {count} free ports in {PORTS.start} to {PORTS.stop - 1}; what listens there?")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def node_settings(record: ClusterRecord, name: str, data: Path) -> Settings:
    """The whole configuration of one node."""
    node = record.nodes[name]
    founders: Settings = {
        other: {"number": each.number, "peer": each.peer, "client": each.client} for other, each in record.nodes.items() if not each.join
    }
    base: Settings = {
        "cluster": record.cluster,
        "node": name,
        "data": str(data),
        "engine": record.engine,
        "join": node.join,
        "peer": {"listen": node.peer},
        "client": {"listen": node.client},
        "http": {"listen": node.http},
        "logging": {"format": "json"},
        "members": founders,
    }
    if record.proxy is not None:
        base = {**base, "routes": {other: record.proxy.ports[f"{name}>{other}"] for other in record.nodes if other != name}}
    return merged(merged(base, record.settings), node.settings)


def merged(base: Settings, over: Settings) -> dict[str, Setting]:
    """`over` upon `base`, section by section."""
    result = dict(base)
    for name, value in over.items():
        below = result.get(name)
        result[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def toml(settings: Settings, section: str = "") -> str:
    """Nested settings as TOML: plain values first, then the sections."""
    lines = [f"[{section}]"] if section else []
    # json's strings, booleans and numbers are TOML's too.
    lines += [f"{_toml_name(name)} = {json.dumps(value)}" for name, value in settings.items() if not isinstance(value, Mapping)]
    text = "\n".join(lines) + "\n"
    for name, value in settings.items():
        if isinstance(value, Mapping):
            text += "\n" + toml(value, f"{section}.{_toml_name(name)}" if section else _toml_name(name))
    return text


def _toml_name(name: str) -> str:
    """Bare where TOML allows it, as a person would write it."""
    return name if name and all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name) else json.dumps(name)
