"""What shows only with much state or over a long time: memory per key, restart, snapshots under load, elections under load."""

import json
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median

from benchmarks.cluster import MEMBERS, Pace, Row, System, cell, fill
from benchmarks.processes import BenchError, resident_bytes
from benchmarks.quorate_cluster import Quorate

LOAD_WITHIN_S = 900.0
STOP_WITHIN_S = 60.0
RESTART_WITHIN_S = 300.0
SNAPSHOT_WITHIN_S = 400.0
IN_FLIGHT_DURING_SNAPSHOT = 16
SOAK_IN_FLIGHT = 256
SOAK_CELL_S = 20.0  # what a client remembers of each request fits into memory for so long

Progress = Callable[[str], None]


def measure_state(system: System, cluster: Quorate, keys: int, progress: Progress) -> Row:
    """Memory of small keys, the longest request while a snapshot of them is taken, and seconds to restart a member."""
    fill(system)
    before = [resident_bytes(member.pid) for member in cluster.members]
    progress(f"writing {keys:,} small keys")
    begun = time.monotonic()
    answer = json.loads(list(system.client.ask("grow", keys, within_s=LOAD_WITHIN_S))[-1])
    row: Row = {"system": system.name, "op": "state", "keys": keys, "load_s": round(time.monotonic() - begun, 1)}
    raw: float = answer["raw_bytes"] / keys
    grown = [(resident_bytes(member.pid) - was) / keys for member, was in zip(cluster.members, before, strict=True)]
    row |= {"raw_bytes_per_key": raw, "memory_bytes_per_key": {role: round(grown[n]) for role, n in cluster.roles().items()}}
    row["memory_over_raw"] = round(median(grown) / raw, 2)
    progress("taking snapshots under load")
    measured = json.loads(list(system.client.ask("snapshot", IN_FLIGHT_DURING_SNAPSHOT, within_s=SNAPSHOT_WITHIN_S))[-1])
    row |= measured | {"snapshot_stall_ms": max(measured["longest_during_snapshot_ms"].values())}
    follower = cluster.roles()["follower1"]
    for name, end in (("restart_after_stop_s", signal.SIGTERM), ("restart_after_kill_s", signal.SIGKILL)):
        progress(f"restarting a member after {end.name}")
        row[name] = _restart(cluster, follower, end)
    return row


def _restart(cluster: Quorate, number: int, end: signal.Signals) -> float:
    """Seconds from the start of the process until it says that it is ready."""
    member = cluster.members[number]
    member.send_signal(end)
    try:
        member.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"member {number} did not end in {STOP_WITHIN_S:.0f} s after {end.name}") from None
    cluster.children.end(member)
    begun = time.monotonic()
    cluster.members[number] = cluster.start_member(number, again=True)
    while not cluster.ready(number):
        if cluster.members[number].poll() is not None or time.monotonic() - begun > RESTART_WITHIN_S:
            raise BenchError(f"member {number} did not come back in {time.monotonic() - begun:.0f} s")
        time.sleep(0.02)
    return round(time.monotonic() - begun, 2)


def soak(system: System, cluster: Quorate, seconds: float, pace: Pace, progress: Progress) -> Row:
    """Full load for long: every new term is an election that nobody needed."""
    fill(system)
    before = cluster.terms()
    deadline = time.monotonic() + seconds
    cells: list[Row] = []
    while time.monotonic() < deadline:
        length = max(1.0, min(SOAK_CELL_S, deadline - time.monotonic()))
        cells.append(cell(system, "write", SOAK_IN_FLIGHT, replace(pace, warm=0.0, measured=length)))
        elections = max(cluster.terms()) - max(before)
        progress(f"soak: {deadline - time.monotonic():.0f} s left, {cells[-1]['ops_per_s']} writes/s, elections {elections:.0f}")
    verified = json.loads(list(system.client.ask("verify", within_s=LOAD_WITHIN_S))[-1])
    return {
        "system": system.name,
        "op": "soak",
        "seconds": seconds,
        "elections": max(cluster.terms()) - max(before),
        "ops_per_s": median(float(str(each["ops_per_s"])) for each in cells),
        "p99_ms": median(float(str(each["p99_ms"])) for each in cells),
        "max_ms": max(float(str(each["max_ms"])) for each in cells),
        "errors": sum(int(str(each["errors"])) for each in cells),
        "lost": verified["lost"],
        "resident_mib": [resident_bytes(cluster.members[n].pid) >> 20 for n in range(MEMBERS)],
    }
