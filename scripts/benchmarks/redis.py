"""Redis: a primary and two replicas. Not a consensus system; shown because people compare with it.

Its default durability: no append-only file; the whole data set is dumped after an hour with 1 change, 5 minutes with 100, or
1 minute with 10,000. A crash loses what came after the last dump. "redis-always" adds `appendonly yes, appendfsync always`,
so that a write is synced on the primary before its answer, as with the others. Replication is asynchronous in both: an answer
says nothing about replicas, and a failover (which needs Sentinel and is not measured here) can lose answered writes.
"""

import socket
import subprocess
from pathlib import Path

from benchmarks.cluster import MEMBERS, Cluster
from benchmarks.processes import Children
from quorate.cluster.local.directory import free_ports

ANSWER_WITHIN_S = 5.0
ALWAYS = ("--appendonly", "yes", "--appendfsync", "always")


class Redis(Cluster):
    name = "redis"
    durability: tuple[str, ...] = ()

    def __init__(self, children: Children, data: Path) -> None:
        super().__init__(children, data)
        self._ports = free_ports(MEMBERS)

    @property
    def endpoints(self) -> list[str]:
        return [f"127.0.0.1:{self._ports[0]}"]

    def start_member(self, number: int, *, again: bool) -> subprocess.Popen[bytes]:
        home = self.data / f"r{number}"
        home.mkdir(exist_ok=True)
        command = ["redis-server", "--port", str(self._ports[number]), "--bind", "127.0.0.1", "--dir", str(home), *self.durability]
        if number > 0:
            command += ["--replicaof", "127.0.0.1", str(self._ports[0])]
        return self.children.spawn(command, self.log)

    def _replication(self, number: int) -> dict[str, str]:
        with socket.create_connection(("127.0.0.1", self._ports[number]), ANSWER_WITHIN_S) as connection:
            connection.sendall(b"INFO replication\r\nQUIT\r\n")
            lines = connection.makefile().read().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def leader(self) -> int:
        return 0

    def all_up(self) -> bool:
        replicas = [self._replication(number).get("master_link_status") == "up" for number in range(1, MEMBERS)]
        return all(replicas) and self._replication(0).get("connected_slaves") == str(MEMBERS - 1)


class RedisAlways(Redis):
    name = "redis-always"
    durability = ALWAYS
