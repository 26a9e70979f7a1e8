"""A cluster under load: three members, who leads, and how one measurement of it is taken.

One cluster may serve several systems: etcd's is driven by its Go client ("etcd") and by a Python one ("etcd-python").
"""

import itertools
import json
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import BenchError, Children, LoadGenerator, cpu_seconds

READY_WITHIN_S = 60.0  # three JVMs on a busy machine
FILL_WITHIN_S = 120.0
MEMBERS = 3
WRITERS_IN_FAILOVER = 16
# A closed loop stops at once; the rest is connections, sorting a million latencies, and a busy machine.
SLACK_S = 60.0
BEFORE_KILL_S = 0.5
BACK_BEFORE_END_S = 1.0  # a load whose last success lies further before its end has not recovered

Row = dict[str, object]
"""One line of --json."""


@dataclass
class Pace:
    """How long the parts of a run last, in seconds."""

    warm: float
    measured: float
    kill_at: float
    failover: float


@dataclass
class System:
    """A cluster behind one client: what a column of the result is about."""

    name: str
    cluster: "Cluster"
    client: LoadGenerator
    fails_over: bool
    notes: list[str] = field(default_factory=list)


class Cluster(ABC):
    """Three members on loopback. A subclass says how a member starts and who leads."""

    name: str

    def __init__(self, children: Children, data: Path) -> None:
        self.children = children
        self.data = data
        data.mkdir(parents=True)
        self.log = data / "log"
        self.members: list[subprocess.Popen[bytes]] = []

    @property
    @abstractmethod
    def endpoints(self) -> list[str]:
        """What a client is given."""

    @abstractmethod
    def start_member(self, number: int, *, again: bool) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def leader(self) -> int | None:
        """The number of the member that leads, None while nobody does. May raise OSError while members start."""

    @abstractmethod
    def all_up(self) -> bool:
        """All members answer and agree on the leader. May raise OSError while members start."""

    def fsync_counts(self) -> list[float] | None:
        """fdatasyncs of each member so far; None where the system does not count them."""
        return None

    def start(self) -> None:
        self.members = [self.start_member(number, again=False) for number in range(MEMBERS)]
        self.wait_ready()

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            for number, member in enumerate(self.members):
                if member.poll() is not None:
                    raise BenchError(f"{self.name}: member {number} ended with code {member.returncode}; {self._log_tail()}")
            try:
                if self.all_up() and self.leader() is not None:
                    return
            except (OSError, ValueError, subprocess.SubprocessError):
                pass  # not listening yet, or a half answer
            time.sleep(0.1)
        raise BenchError(f"{self.name}: not ready in {within_s:.0f} s; {self._log_tail()}")

    def end(self) -> None:
        self.children.end(*self.members)

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-5:] if self.log.exists() else []
        return "its last words: " + (" | ".join(lines) if lines else "none")

    def must_lead(self) -> int:
        """The leader's number, within the time a healthy cluster needs to have one."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            number = self.leader()
            if number is not None:
                return number
            time.sleep(0.05)
        raise BenchError(f"{self.name}: no leader in {READY_WITHIN_S:.0f} s; {self._log_tail()}")

    def roles(self) -> dict[str, int]:
        """Members by role: leader, follower1, follower2."""
        leader = self.must_lead()
        followers = [number for number in range(MEMBERS) if number != leader]
        return {"leader": leader, "follower1": followers[0], "follower2": followers[1]}


def fill(system: System) -> None:
    """Write every key once, so that reads find something and the first cell is not slower than the others."""
    for _ in system.client.ask("fill", within_s=FILL_WITHIN_S):
        pass


def cell(system: System, op: str, in_flight: int, pace: Pace) -> Row:
    """One measurement: a closed loop of `in_flight` requests for a while, after a warm-up."""
    cluster = system.cluster
    roles = cluster.roles()
    pids = {role: cluster.members[number].pid for role, number in roles.items()} | {"client": system.client.pid}
    started_at = 0.0
    at_start: dict[str, float] = {}
    cores: dict[str, float] = {}
    syncs: list[float] | None = None
    synced_at = 0.0
    answer: dict[str, float] = {}
    row: Row = {"system": system.name, "op": op, "in_flight": in_flight}
    for line in system.client.ask(op, in_flight, pace.warm, pace.measured, within_s=pace.warm + pace.measured + SLACK_S):
        if line == "@start":
            # What reading the counters costs stays outside of the CPU time that is reported.
            synced_at, syncs = time.monotonic(), cluster.fsync_counts()
            started_at, at_start = time.monotonic(), {role: cpu_seconds(pid) for role, pid in pids.items()}
        elif line == "@end":
            took = time.monotonic() - started_at
            cores = {role: round((cpu_seconds(pid) - at_start[role]) / took, 3) for role, pid in pids.items()}
            if syncs is not None:
                took = time.monotonic() - synced_at
                after = cluster.fsync_counts() or syncs
                row["fsyncs_per_s"] = {role: round((after[number] - syncs[number]) / took, 1) for role, number in roles.items()}
        elif line.startswith("{"):
            answer = json.loads(line)
    row |= {
        "ops_per_s": round(answer["ops_per_s"], 1),
        "p50_ms": round(answer.get("p50_ms", float("inf")), 4),
        "p99_ms": round(answer.get("p99_ms", float("inf")), 4),
        "max_ms": round(answer.get("max_ms", float("inf")), 4),
        "errors": int(answer["errors"]),
        "cpu_cores": cores,
    }
    if op == "write" and answer["ops_per_s"] > 0:
        row["cpu_us_per_write"] = {role: round(used / answer["ops_per_s"] * 1e6, 1) for role, used in cores.items()}
    return row


def failover(system: System, pace: Pace, trial: int) -> Row:
    """kill -9 of the leader under load: the longest time around it without any successful write."""
    cluster = system.cluster
    timeline = cluster.data / f"timeline-{system.name}-{trial}"
    killed_at = 0.0
    victim = cluster.must_lead()
    row: Row = {"system": system.name, "op": "failover"}
    words = ("failover", WRITERS_IN_FAILOVER, pace.kill_at, pace.failover, timeline)
    for line in system.client.ask(*words, within_s=pace.failover + SLACK_S):
        if line == "@kill":
            victim = cluster.must_lead()
            killed_at = time.time()
            cluster.members[victim].kill()
            cluster.members[victim].wait()
        elif line.startswith("{"):
            row["errors"] = int(json.loads(line)["errors"])
    successes = sorted(int(line) / 1e6 for line in timeline.read_text().split())
    ended_at = killed_at + pace.failover - pace.kill_at
    row["gap_ms"] = longest_gap_ms(successes, killed_at, ended_at)
    row["recovered"] = successes[-1] > ended_at - BACK_BEFORE_END_S
    timeline.unlink()
    cluster.children.end(cluster.members[victim])
    cluster.members[victim] = cluster.start_member(victim, again=True)
    cluster.wait_ready()
    return row


def longest_gap_ms(successes: list[float], killed_at: float, ended_at: float) -> float:
    """The longest pause between two successful writes, from half a second before the kill to the end of the load.

    Writes that never come back make a gap up to the end, which is then only a lower bound. BenchError if none succeeded at all.
    """
    if not successes or successes[0] > killed_at:
        raise BenchError("no write succeeded before the kill of the leader")
    times = [*successes, max(ended_at, successes[-1])]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times) if later > killed_at - BEFORE_KILL_S]
    return round(max(gaps) * 1000, 1)
