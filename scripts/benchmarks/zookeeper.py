"""ZooKeeper: three servers with its defaults: a write is synced before its answer (forceSync), 1,000 MB of heap as its script gives."""

import socket
import subprocess
from pathlib import Path

from benchmarks.cluster import MEMBERS, Cluster
from benchmarks.processes import Children
from quorate.cluster.local.directory import free_ports

JARS = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
ANSWER_WITHIN_S = 5.0


class ZooKeeper(Cluster):
    name = "zookeeper"

    def __init__(self, children: Children, data: Path) -> None:
        super().__init__(children, data)
        ports = free_ports(3 * MEMBERS)
        self._clients, quorum, election = ports[:MEMBERS], ports[MEMBERS : 2 * MEMBERS], ports[2 * MEMBERS :]
        servers = "".join(f"server.{n + 1}=127.0.0.1:{quorum[n]}:{election[n]}\n" for n in range(MEMBERS))
        for number, port in enumerate(self._clients):
            home = data / f"s{number}"
            home.mkdir()
            (home / "myid").write_text(f"{number + 1}\n")
            # The first three lines are those of ZooKeeper's own sample; the last but one keeps ports apart.
            (data / f"zoo{number}.cfg").write_text(
                f"tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir={home}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
                f"admin.enableServer=false\n4lw.commands.whitelist=srvr,mntr\n{servers}"
            )

    @property
    def endpoints(self) -> list[str]:
        return [f"127.0.0.1:{port}" for port in self._clients]

    def start_member(self, number: int, *, again: bool) -> subprocess.Popen[bytes]:
        command = ["java", "-Xmx1000m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", JARS]
        command += ["org.apache.zookeeper.server.quorum.QuorumPeerMain", str(self.data / f"zoo{number}.cfg")]
        return self.children.spawn(command, self.log)

    def _ask(self, number: int, word: str) -> dict[str, str]:
        """The answer to a four-letter word, its lines split at the first colon or tab."""
        with socket.create_connection(("127.0.0.1", self._clients[number]), ANSWER_WITHIN_S) as connection:
            connection.sendall(word.encode())
            lines = connection.makefile().read().splitlines()
        pairs = (line.replace("\t", ":", 1).partition(":") for line in lines)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def _mode(self, number: int) -> str | None:
        try:
            return self._ask(number, "srvr").get("Mode")
        except OSError:
            return None

    def leader(self) -> int | None:
        return next((number for number in range(MEMBERS) if self._mode(number) == "leader"), None)

    def all_up(self) -> bool:
        return sorted(str(self._mode(number)) for number in range(MEMBERS)) == ["follower", "follower", "leader"]

    def fsync_counts(self) -> list[float]:
        return [float(self._ask(number, "mntr").get("zk_cnt_fsynctime", "0")) for number in range(MEMBERS)]
