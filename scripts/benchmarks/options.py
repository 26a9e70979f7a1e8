"""The command line of scripts/bench."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import Pace
from quorate.cluster.runtime.config import ENGINES

PEERS = ("etcd", "zookeeper", "redis")
KINDS = ("native", "python")
OPS = ("write", "read", "failover")
IN_FLIGHT_MAX = 4096
KILL_AT_S = 4.0
FAILOVER_S = 16.0

DESCRIPTION = """\
Measure Quorate, alone or beside real etcd, ZooKeeper and Redis, on this machine.

Three members each, default settings, data on one file system. Every round takes each cell on every system in turn, so that a
busy moment meets all of them: compare ratios within one run, never figures of two runs. 10,000 random keys, 100-byte values,
closed loops with N requests in flight. Quorate is driven by one process with ordinary `await client.put(...)` calls; peers by
their own clients in Go and Java ("etcd", "zookeeper") and by Python clients from PyPI ("etcd-python", ...). Afterwards every
write that Quorate acknowledged is read back. "quorate" runs Raft; --engines adds clusters of other engines beside it."""

EXAMPLES = """\
examples:
  scripts/bench --quick                                  Quorate alone, in two minutes
  scripts/bench --install-peers                          Debian's etcd, ZooKeeper, Redis, Go and Java (as root)
  scripts/bench --against etcd,zookeeper                 the whole comparison; takes an hour
  scripts/bench --against etcd --clients native --ops write --in-flight 64,256 --rounds 3
  scripts/bench --engines zab,kraft,multipaxos --ops write --in-flight 64,256     engines beside Raft, with their ratios to it
  scripts/bench --state --soak 600                       memory, restart and snapshot of a million keys; elections under load

exit codes: 0 done, 1 a measurement failed or an acknowledged write was lost, 2 wrong usage"""


@dataclass(frozen=True, slots=True)
class Options:
    """What one run shall measure."""

    against: list[str]
    engines: list[str]
    clients: list[str]
    ops: list[str]
    in_flight: list[int]
    rounds: int
    trials: int
    pace: Pace
    warm_up_s: float
    spread_reads: bool
    state: bool
    state_keys: int
    soak_s: float
    json: Path | None
    data: Path | None
    install_peers: bool


def _names(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown: {name!r}; known: {', '.join(known)}")
        return list(dict.fromkeys(names))

    return parse


def _counts(text: str) -> list[int]:
    counts = [int(word) for word in text.split(",") if word]
    if not counts or not all(1 <= count <= IN_FLIGHT_MAX for count in counts):
        raise argparse.ArgumentTypeError(f"numbers from 1 to {IN_FLIGHT_MAX}, separated by commas, not {text!r}")
    return counts


def _positive(text: str) -> float:
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def parse(words: list[str]) -> Options:
    """Exits with a message and code 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--against", type=_names(PEERS), default=[], metavar="LIST", help=f"peers to compare with: {','.join(PEERS)}")
    add("--engines", type=_names(ENGINES), default=["raft"], metavar="LIST", help=f"Quorate's engines beside raft: {','.join(ENGINES)}")
    add("--clients", type=_names(KINDS), default=list(KINDS), metavar="LIST", help="the peers' clients: native,python (both)")
    add("--ops", type=_names(OPS), metavar="LIST", help="write,read,failover (all; none with --state or --soak)")
    add("--in-flight", type=_counts, default=[1, 16, 64, 256], metavar="LIST", help="requests in flight (1,16,64,256)")
    add("--secs", type=_positive, metavar="N", help="measured seconds of a cell, after two of warm-up (10; --quick: 2)")
    add("--rounds", type=_count, metavar="N", help="rounds, interleaved (5; --quick: 2)")
    add("--trials", type=_count, metavar="N", help="failovers of each system (as many as rounds)")
    add("--quick", action="store_true", help="short cells and few rounds: for a first look, not for publishing")
    add("--state", action="store_true", help="memory per small key, restart and snapshot with a million keys")
    add("--state-keys", type=_count, default=1_000_000, metavar="N", help="keys of --state (1000000)")
    add("--soak", type=_positive, default=0.0, metavar="SECS", help="full load for so long; counts elections, which should be 0")
    add("--json", type=Path, metavar="FILE", help="write one JSON row a line")
    add("--data", type=Path, metavar="DIR", help="an existing folder for the data of all systems (a temporary one)")
    add("--spread-reads", action="store_true", help="Quorate's reads go to all nodes in turn (to the leader)")
    add("--only-peers", action="store_true", help="leave Quorate out")
    add("--install-peers", action="store_true", help="install the peers from Debian's packages, and end")
    given = parser.parse_args(words)
    if given.only_peers and (not given.against or given.state or given.soak):
        parser.error("--only-peers needs --against, and goes with neither --state nor --soak")
    if given.only_peers and given.engines != ["raft"]:
        parser.error("--only-peers leaves all of Quorate out: give it without --engines")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data: {given.data} is not an existing folder")
    ops = given.ops if given.ops is not None else ([] if given.state or given.soak else list(OPS))
    quick: bool = given.quick
    rounds = given.rounds or (2 if quick else 5)
    pace = Pace(
        warm=0.5 if quick else 2.0,
        measured=given.secs or (2.0 if quick else 10.0),
        kill_at=2.0 if quick else KILL_AT_S,
        failover=8.0 if quick else FAILOVER_S,
    )
    return Options(
        against=given.against,
        engines=[] if given.only_peers else list(dict.fromkeys(["raft", *given.engines])),
        clients=given.clients,
        ops=ops,
        in_flight=given.in_flight,
        rounds=rounds,
        trials=given.trials or rounds,
        pace=pace,
        warm_up_s=2.0 if quick else 8.0,
        spread_reads=given.spread_reads,
        state=given.state,
        state_keys=given.state_keys,
        soak_s=given.soak,
        json=given.json,
        data=given.data,
        install_peers=given.install_peers,
    )
