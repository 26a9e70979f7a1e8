"""Quorate: three node processes with default settings, started as the command line starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.cluster import MEMBERS, Cluster
from benchmarks.http import call, samples
from benchmarks.processes import Children
from quorate.cluster.compare.subjects import REFERENCE
from quorate.cluster.local.directory import free_ports

ROOT = Path(__file__).resolve().parents[2]
NODE = (sys.executable, "-m", "quorate.cluster.cli.main", "node", "--config")
CLIENT = (sys.executable, Path(__file__).parent / "load" / "quorate_load.py")
SYNC_COUNTER = "quorate_log_sync_count_total"


def system_name(engine: str) -> str:
    """Raft's is "quorate", the others are "quorate-zab" and so on."""
    return "quorate" if engine == REFERENCE else f"quorate-{engine}"


def environment() -> dict[str, str]:
    """The checkout importable, and none of the caller's settings for nodes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
    return kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{kept.get('PYTHONPATH', '')}".rstrip(os.pathsep)}


class Quorate(Cluster):
    def __init__(self, children: Children, data: Path, engine: str = REFERENCE) -> None:
        super().__init__(children, data)
        self.name = system_name(engine)
        ports = free_ports(3 * MEMBERS)
        self._clients, peers, self._http = ports[:MEMBERS], ports[MEMBERS : 2 * MEMBERS], ports[2 * MEMBERS :]
        members = "".join(
            f'[members.n{n + 1}]\nnumber = {n + 1}\npeer = "127.0.0.1:{peers[n]}"\nclient = "127.0.0.1:{self._clients[n]}"\n'
            for n in range(MEMBERS)
        )
        for n in range(MEMBERS):
            self.config(n).write_text(
                f'cluster = "bench"\nengine = "{engine}"\nnode = "n{n + 1}"\ndata = {json.dumps(str(data / f"n{n + 1}"))}\n'
                f'[peer]\nlisten = "127.0.0.1:{peers[n]}"\n[client]\nlisten = "127.0.0.1:{self._clients[n]}"\n'
                f'[http]\nlisten = "127.0.0.1:{self._http[n]}"\n{members}'
            )

    def config(self, number: int) -> Path:
        return self.data / f"n{number + 1}.toml"

    @property
    def endpoints(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self._clients]

    def start_member(self, number: int, *, again: bool) -> subprocess.Popen[bytes]:
        return self.children.spawn([*NODE, self.config(number)], self.log, env=environment())

    def ready(self, number: int) -> bool:
        try:
            call(f"http://127.0.0.1:{self._http[number]}/ready")
        except OSError:
            return False
        return True

    def metrics(self, number: int) -> str:
        return call(f"http://127.0.0.1:{self._http[number]}/metrics")

    def leader(self) -> int | None:
        for number in range(MEMBERS):
            try:
                if samples(self.metrics(number), ("quorate_is_leader",)) > 0:
                    return number
            except OSError:
                continue
        return None

    def all_up(self) -> bool:
        return all(self.ready(number) for number in range(MEMBERS))

    def terms(self) -> list[float]:
        """Each member's term: it grows with each election."""
        return [samples(self.metrics(number), ("quorate_term",)) for number in range(MEMBERS)]

    def fsync_counts(self) -> list[float]:
        return [samples(self.metrics(number), (SYNC_COUNTER,)) for number in range(MEMBERS)]
