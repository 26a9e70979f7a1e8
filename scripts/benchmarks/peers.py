"""The peers' programs: Debian's servers, load generators built from benchmarks/load, and an environment for the Python clients.

What is built lies in a cache folder and is built again when its source changed. Nothing goes into the project's own environment.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import Cluster
from benchmarks.etcd import Etcd
from benchmarks.processes import BenchError, Children
from benchmarks.redis import Redis, RedisAlways
from benchmarks.zookeeper import ZooKeeper

LOAD = Path(__file__).parent / "load"
PACKAGES = {
    "etcd": ("etcd-server", "golang-go", "golang-etcd-server-dev"),
    "zookeeper": ("libzookeeper-java", "libslf4j-java", "default-jdk-headless"),
    "redis": ("redis-server", "golang-go"),
}
# Fixed, so that a run next year compares with the same clients.
PYTHON_CLIENTS = ("aetcd==1.0.0", "grpcio==1.85.1", "protobuf==7.36.2", "kazoo==2.11.0", "redis==8.1.0", "hiredis>=3", "uvloop>=0.19")
ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")
JAVA_CLIENT_JARS = f"{ZOOKEEPER_JAR}:/usr/share/java/slf4j-nop.jar"
REDIS_NOTE = (
    "redis: one primary, two replicas. By default it syncs nothing before an answer (dumps after 1 to 60 minutes); redis-always "
    "is the same with appendonly yes, appendfsync always. Replicas follow asynchronously in both, so a failover can lose answered writes."
)
BUILD_WITHIN_S = 300.0

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Peer:
    """A cluster to compare with, and the clients that can drive it here."""

    make: Callable[[Children, Path], Cluster]
    clients: list[tuple[str, Command, bool]]
    """System name, command (endpoints are appended), whether a failover is measured through it."""


def cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "quorate-bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def install() -> None:
    """apt-get install everything that the comparison needs. BenchError if that fails."""
    packages = sorted({package for each in PACKAGES.values() for package in each})
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            raise BenchError(f"--install-peers needs root: run as root: {' '.join(command)}")
        command = ["sudo", *command]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in ([*command[: command.index("install")], "update"], command):
        if subprocess.run(words, env=environment, stdin=subprocess.DEVNULL).returncode != 0:
            raise BenchError(f"{' '.join(words)} failed; its messages are above")
    print("installed. Debian starts etcd and redis-server as services; to stop them: systemctl disable --now etcd redis-server")


def prepare(names: list[str], kinds: list[str]) -> tuple[list[Peer], list[str]]:
    """Check and build what these peers need: the peers, and notes about what is left out. BenchError names what to install."""
    notes: list[str] = []
    peers: list[Peer] = []
    for name in names:
        _check_server(name)
        clients: list[tuple[str, Command, bool]] = []
        if "native" in kinds:
            command = _native(name)
            if command is not None:
                clients.append((name, command, name != "redis"))
            else:
                needed = f"Install: apt-get install {' '.join(PACKAGES[name])}"
                notes.append(f"{name}: no native client here, so only the Python one is measured. {needed}")
        if "python" in kinds:
            clients.append((f"{name}-python", [_python(), LOAD / f"{name}_load.py"], False))
        if not clients:
            raise BenchError(f"{name}: no client to measure it with. " + notes[-1])
        makes: dict[str, type[Cluster]] = {"etcd": Etcd, "zookeeper": ZooKeeper, "redis": Redis}
        peers.append(Peer(makes[name], clients))
        if name == "redis":
            always = [(system.replace("redis", "redis-always"), command, fails_over) for system, command, fails_over in clients]
            peers.append(Peer(RedisAlways, always))
            notes.append(REDIS_NOTE)
    return peers, notes


def _check_server(name: str) -> None:
    there = {
        "etcd": shutil.which("etcd"),
        "zookeeper": shutil.which("java") and ZOOKEEPER_JAR.exists(),
        "redis": shutil.which("redis-server"),
    }
    if not there[name]:
        raise BenchError(f"{name} is not installed: apt-get install {' '.join(PACKAGES[name])} (or: scripts/bench --install-peers)")


def _native(name: str) -> Command | None:
    """The command of the native load generator, None if its tools are missing."""
    if name == "zookeeper":
        if shutil.which("javac") is None:
            return None
        folder = _built("zookeeper", LOAD / "zookeeper" / "ZkLoad.java", _compile_java)
        return ["java", "-Xmx1000m", "-cp", f"{folder}:{JAVA_CLIENT_JARS}", "ZkLoad"]
    if shutil.which("go") is None or (name == "etcd" and not Path("/usr/share/gocode/src/go.etcd.io/etcd/clientv3").exists()):
        return None
    return [_built(name, LOAD / name / "main.go", _compile_go) / "load"]


def _built(name: str, source: Path, build: Callable[[Path, Path], None]) -> Path:
    """The folder with what `build` makes of this source, made now if this very source was not built before."""
    folder = cache() / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        print(f"building the {name} load generator ...", file=sys.stderr)
        build(source, folder)
        (folder / "done").touch()
    return folder


def _run(words: Command, cwd: Path, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        timeout=BUILD_WITHIN_S,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, words))} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _compile_go(source: Path, folder: Path) -> None:
    shutil.copy(source, folder)
    # Debian's Go libraries lie in a GOPATH.
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(cache() / "go")}
    _run(["go", "build", "-o", folder / "load", "."], folder, environment)


def _compile_java(source: Path, folder: Path) -> None:
    _run(["javac", "-d", folder, "-cp", JAVA_CLIENT_JARS, source], folder)


def _python() -> Path:
    """The interpreter of an environment that holds the peers' Python clients."""
    folder = cache() / f"clients-{hashlib.sha256(' '.join((*PYTHON_CLIENTS, sys.version)).encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        print("making an environment with the peers' Python clients ...", file=sys.stderr)
        _run([sys.executable, "-m", "venv", folder], Path.cwd())
        _run([python, "-m", "pip", "install", "--quiet", *PYTHON_CLIENTS], folder)
        (folder / "done").touch()
    return python
