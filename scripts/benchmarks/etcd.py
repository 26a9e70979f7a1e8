"""etcd: three members with etcd's defaults, which sync the log before an answer."""

import json
import subprocess
from pathlib import Path

from benchmarks.cluster import MEMBERS, Cluster
from benchmarks.http import call, samples
from benchmarks.processes import Children
from quorate.cluster.local.directory import free_ports

SYNC_COUNTERS = ("etcd_disk_wal_fsync_duration_seconds_count", "etcd_disk_backend_commit_duration_seconds_count")


class Etcd(Cluster):
    name = "etcd"

    def __init__(self, children: Children, data: Path) -> None:
        super().__init__(children, data)
        ports = free_ports(2 * MEMBERS)
        self._clients = [f"127.0.0.1:{port}" for port in ports[:MEMBERS]]
        self._peers = [f"http://127.0.0.1:{port}" for port in ports[MEMBERS:]]

    @property
    def endpoints(self) -> list[str]:
        return self._clients

    def start_member(self, number: int, *, again: bool) -> subprocess.Popen[bytes]:
        client, peer = f"http://{self._clients[number]}", self._peers[number]
        members = ",".join(f"m{n}={url}" for n, url in enumerate(self._peers))
        command = ["etcd", "--name", f"m{number}", "--data-dir", str(self.data / f"m{number}")]
        command += ["--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", members, "--initial-cluster-state", "existing" if again else "new"]
        return self.children.spawn(command, self.log)

    def _leaders(self) -> list[tuple[str, str]]:
        """For each member that answers, its own id and the id of the leader that it knows ("0" for none)."""
        known = []
        for endpoint in self._clients:
            try:
                status = json.loads(call(f"http://{endpoint}/v3/maintenance/status", {}))
                known.append((status["header"]["member_id"], status.get("leader", "0")))
            except OSError:
                known.append(("", "0"))
        return known

    def leader(self) -> int | None:
        return next((n for n, (own, leader) in enumerate(self._leaders()) if own and own == leader), None)

    def all_up(self) -> bool:
        known = self._leaders()
        return all(own for own, _ in known) and len({leader for _, leader in known}) == 1

    def fsync_counts(self) -> list[float]:
        return [samples(call(f"http://{endpoint}/metrics"), SYNC_COUNTERS) for endpoint in self._clients]
