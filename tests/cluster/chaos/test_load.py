"""The clients of a run, on a cluster in this process: what they ask is recorded, counted, and ends with an answer."""

import asyncio
from collections import Counter

import pytest

from quorate.cluster.chaos.load import HOT, ROUND_S, Workers
from quorate.cluster.chaos.scenario import Load
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.verify.checks import check
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Answer
from tests.cluster.client.fake import FakeCluster
from tests.support.waiting import until

LOAD = Load(clients=6, rate=6_000, keys=8, timeout_s=5.0)


class Watch:
    """Time since the start, moved on by the test beside its own passing."""

    def __init__(self) -> None:
        self._boot = BootClock()
        self._began_ns = self._boot.now_ns()
        self.ahead_s = 0

    def now_ns(self) -> int:
        return self._boot.now_ns() - self._began_ns + self.ahead_s * 1_000_000_000


async def test_clients_ask_and_are_recorded_and_their_history_holds() -> None:
    watch = Watch()
    recorder = Recorder(now_ns=watch.now_ns, model="kv")
    async with FakeCluster("n1", "n2", "n3") as cluster:
        addresses = {name: node.address for name, node in cluster.nodes.items()}
        async with Workers(LOAD, addresses, recorder, watch, seed=1) as workers:
            workers.start()
            await until(lambda: workers.meter.acknowledged >= 150, "operations are answered")
            watch.ahead_s = ROUND_S
            await until(lambda: workers.meter.acknowledged >= 300, "operations of the next round are answered")
            await workers.stop()
            count = len(workers.meter)
            await asyncio.sleep(0)
            assert count == len(workers.meter), "nothing is asked after the stop"
            workers.start()
            await until(lambda: workers.meter.acknowledged >= count + 100, "it goes on")
            await workers.stop()
            asked = len(workers.meter)
            await workers.read_back("n2", 5.0)
            keys = workers.keys
    history = recorder.history()
    functions = Counter(operation.function for operation in history.operations)
    touched = Counter(str(operation.key) for operation in history.operations)

    assert asked == len(history.operations) - len(keys) == workers.meter.count(Outcome.OK)
    assert {"get", "put", "cas"} == set(functions)
    assert set(touched) <= set(keys) and {f"{HOT}.0", f"{HOT}.1", "c5.1"} <= set(touched)
    assert touched[f"{HOT}.0"] > touched["k1.0"]
    assert Answer.VALID is check(history, "kv").answer


async def test_a_client_that_was_never_answered_leaves_its_operation_unknown_and_stops_in_time() -> None:
    watch = Watch()
    recorder = Recorder(now_ns=watch.now_ns, model="kv")
    load = Load(clients=2, rate=1_000, keys=1, reads=0.0, swaps=0.0, timeout_s=0.2)
    async with FakeCluster("n1") as cluster, Workers(load, {"n1": cluster["n1"].address}, recorder, watch, seed=1) as workers:
        workers.start()
        await until(lambda: workers.meter.acknowledged >= 10, "operations are answered")
        cluster["n1"].holds.add("propose")
        await until(lambda: workers.meter.count(Outcome.UNKNOWN) > 0, "one runs out of time")
        await workers.stop()

        assert len(workers.meter) == len(recorder.history().operations)

        cluster["n1"].release()


async def test_a_worker_that_breaks_ends_the_run() -> None:
    watch = Watch()
    recorder = Recorder(now_ns=watch.now_ns, model="kv")

    def looks(workers: Workers) -> bool:
        workers.check()
        return False

    with pytest.raises(TypeError):
        async with FakeCluster("n1") as cluster, Workers(LOAD, {"n1": cluster["n1"].address}, recorder, watch, seed=1) as workers:
            workers.start()
            workers.meter.add = None  # type: ignore[assignment, method-assign]
            await until(lambda: looks(workers), "never: the check raises")
