"""Load generator for ZooKeeper through kazoo, its client from PyPI: zookeeper_load.py SERVERS. See closed_loop for the requests.

kazoo works with threads: its asynchronous calls are the fastest way to use it, each answer starting the next request on kazoo's own
callback thread. A read is sync followed by get on one session, which keeps their order.
"""

import itertools
import sys
import threading
import time
from time import perf_counter

from closed_loop import KEY_COUNT, VALUE, Cell, answer, key, walk
from kazoo.client import KazooClient

SESSIONS_MAX = 3  # one a server; with eight kazoo answered no faster, and used more of the one interpreter
FILLERS = 64
KEYS = [f"/bench/{key(number)}" for number in range(KEY_COUNT)]


class Loop:
    """One request in flight after the other, moved on by callbacks."""

    def __init__(self, cell: Cell, client: KazooClient, writes: bool) -> None:
        self._cell = cell
        self._client = client
        self._writes = writes
        self._numbers = itertools.cycle(walk())
        self._begin = 0.0
        self.finished = threading.Event()

    def next(self) -> None:
        if self._cell.stopped:
            self.finished.set()
            return
        path = KEYS[next(self._numbers)]
        self._begin = perf_counter()
        if self._writes:
            self._client.set_async(path, VALUE).rawlink(self._done)
        else:
            self._client.sync_async(path)
            self._client.get_async(path).rawlink(self._done)

    def _done(self, result: object) -> None:
        if result.successful():  # type: ignore[attr-defined]
            # The pair as one append: several callback threads share the cell.
            self._cell.spans.append((self._begin, perf_counter()))
        else:
            self._cell.errors += 1
            time.sleep(0.01)
        self.next()


def measure(servers: list[str], op: str, in_flight: int, warm_s: float, measured_s: float) -> None:
    clients = [KazooClient(servers[i % len(servers)]) for i in range(min(in_flight, SESSIONS_MAX))]
    for client in clients:
        client.start(timeout=30)
    cell = Cell(warm_s, measured_s)
    loops = [Loop(cell, clients[i % len(clients)], op == "write") for i in range(in_flight)]
    for each in loops:
        each.next()
    time.sleep(warm_s)
    cell.start()
    time.sleep(measured_s)
    cell.end()
    for each in loops:
        each.finished.wait(30)
    for client in clients:
        client.stop()
        client.close()
    cell.report()


def fill(servers: list[str]) -> None:
    client = KazooClient(servers[0])
    client.start(timeout=30)
    client.ensure_path("/bench")
    for first in range(0, KEY_COUNT, FILLERS):
        made = [client.create_async(path, VALUE) for path in KEYS[first : first + FILLERS]]
        for each in made:
            each.wait(30)
    client.stop()
    client.close()
    answer(filled=KEY_COUNT)


def main() -> None:
    servers = sys.argv[1].split(",")
    for line in sys.stdin:
        match line.split():
            case ["fill"]:
                fill(servers)
            case [("write" | "read") as op, in_flight, warm_s, measured_s]:
                measure(servers, op, int(in_flight), float(warm_s), float(measured_s))
            case _:
                raise SystemExit(f"not a request: {line!r}")


if __name__ == "__main__":
    main()
