"""A chaos run: a whole cluster, load, faults, healing, convergence, final reads, and a verdict.

The rules:
- Nothing is injected before the cluster is whole and has answered ACKNOWLEDGED_MIN operations.
- The load stops while the last faults still act; then they are healed, and only a healed cluster must converge.
- However a run ends, an interruption included, it heals first.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from quorate.cluster.chaos import recording
from quorate.cluster.chaos.acts import Acts
from quorate.cluster.chaos.checking import checked
from quorate.cluster.chaos.liveness import single, stalls, stretches
from quorate.cluster.chaos.load import Workers
from quorate.cluster.chaos.observe import Observer
from quorate.cluster.chaos.record import Fact, Flight, Phase, Replica, RunRecord
from quorate.cluster.chaos.scenario import Scenario
from quorate.cluster.chaos.schedule import Planned, schedule
from quorate.cluster.chaos.stand import Stand
from quorate.cluster.chaos.strikes import Strikes
from quorate.cluster.chaos.surroundings import command, processes, source
from quorate.cluster.chaos.verdict import ACKNOWLEDGED_MIN, Evidence, judge
from quorate.cluster.runtime.clock import BootClock
from quorate.cluster.verify.history import Outcome
from quorate.cluster.verify.recorder import Recorder
from quorate.cluster.verify.verdict import Budget, Verdict
from quorate.cluster.wire.errors import QuorateError

T = TypeVar("T")
PEACE_S_MIN = 2.0
"""Of load before and after the faults, and as long as it takes for enough operations, up to ..."""
PEACE_S_MAX = 60.0
LOOK_S = 0.1
READ_BACK_S = 5.0
HISTORY, RECORD, REPORT = "history.jsonl", "run.json", "report.html"
STATES_MAX = 10_000_000
"""Of the checker: about two gigabytes."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be run."""

    scenario: Scenario
    engine: str
    seed: int
    duration_s: float
    directory: Path
    """For the history and the record."""
    word: str
    """How the scenario was named, so that the run can be repeated."""
    budget: Budget
    """Of each checker."""


class Broken(QuorateError):
    """The run cannot go on; what it has shown until then counts."""


@dataclass(slots=True)
class _Found:
    """What the run has learnt so far."""

    phases: list[Phase] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    calibration: Mapping[str, Fact] = field(default_factory=dict)
    unhealed: str = ""
    unconverged: str = ""
    converged: Mapping[str, Replica] = field(default_factory=dict)
    facts: dict[str, Fact] = field(default_factory=dict)
    checks: tuple[Verdict, ...] = ()
    violation_ms: float | None = None
    frames: tuple[Flight, ...] = ()
    missing: str = ""
    """Why not all frames around the violation are there."""


class ChaosRun:
    """One run; `run` gives its record."""

    def __init__(self, order: Order, stand: Stand, tell: Callable[[str], None]) -> None:
        self._order = order
        self._stand = stand
        self._tell = tell
        self._clock = BootClock()
        self._began_ns = self._clock.now_ns()
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._found = _Found()
        self._is_healed = False
        self._end_ms = 0.0
        self._observer: Observer
        self._workers: Workers
        self._strikes: Strikes
        self._acts: Acts

    def now_ns(self) -> int:
        """Since the run's start."""
        return self._clock.now_ns() - self._began_ns

    def now_ms(self) -> float:
        return round(self.now_ns() / 1e6, 3)

    async def run(self) -> RunRecord:
        """QuorateError or CancelledError if nothing was injected yet. Cancelled later, it heals, and gives the record of what there was."""
        order, stand = self._order, self._stand
        try:
            await self._phase("start", stand.begin())
            self._observer = Observer(stand.cluster, self.now_ms)
            self._found.calibration = await self._phase("preconditions", self._preconditions())
            facts = {"replay": self._command}
            with Recorder(order.directory / HISTORY, now_ns=self.now_ns, model="kv", seed=order.seed, facts=facts) as recorder:
                self._workers = Workers(order.scenario.load, stand.addresses, recorder, self, order.seed)
                async with Acts(stand.cluster) as acts:
                    self._acts, self._strikes = acts, Strikes(acts, self._observer, self.now_ms, self._tell)
                    self._observer.start()
                    try:
                        await self._middle()
                    finally:
                        await asyncio.shield(self._observer.stop())
            self._end_ms = self.now_ms()
            await self._judge()
        finally:
            await asyncio.shield(stand.end())
        return self._record()

    async def _preconditions(self) -> Mapping[str, Fact]:
        await self._stand.check_links()
        problem = await self._stand.converge(self._observer, self._order.scenario.expect.converge_within_s)
        if problem:
            raise Broken(f"the cluster is not whole: {problem}; nothing was injected")
        await self._stand.keep_frames()
        return await self._stand.calibration()

    async def _middle(self) -> None:
        """From the first operation to the last. What goes wrong here is evidence, or a reason why there is none."""
        async with self._workers:
            try:
                await self._guarded(self._trial())
            except asyncio.CancelledError:
                self._interrupted()
            except QuorateError as error:
                self._found.troubles.append(f"{error.message.strip('.')}.")
            finally:
                if not self._is_healed:
                    self._tell("healing")
                    await asyncio.shield(asyncio.ensure_future(self._heal()))

    def _interrupted(self) -> None:
        """The run goes on to its record."""
        self._found.troubles.append("The run was interrupted.")
        task = asyncio.current_task()
        assert task is not None, self
        task.uncancel()

    async def _trial(self) -> None:
        order, found, stand = self._order, self._found, self._stand
        expect = order.scenario.expect
        workers = self._workers
        workers.start()
        await self._phase("before", self._peace())
        found.facts |= processes(stand.cluster, "before the faults")
        plan = schedule(order.scenario, order.seed, order.duration_s)
        await self._phase("faults", self._faults(plan, order.duration_s))
        await self._phase("heal", self._heal())
        found.unconverged = await self._phase("convergence", stand.converge(self._observer, expect.converge_within_s))
        if found.unconverged:
            return
        workers.start()
        await self._phase("after", self._peace())
        await workers.stop()
        await self._phase("final reads", self._final_reads())
        found.facts |= processes(stand.cluster, "at the end")

    async def _faults(self, plan: Sequence[Planned], duration_s: float) -> None:
        await self._strikes.carry_out(plan, duration_s)
        await self._workers.stop()

    async def _heal(self) -> None:
        try:
            problems = (await self._acts.heal()).problems
        except QuorateError as error:
            problems = [error.message]
        self._found.unhealed = "; ".join(problems)
        self._is_healed = not problems
        self._strikes.close()

    async def _peace(self) -> None:
        """Load alone, until it has shown enough."""
        loop = asyncio.get_running_loop()
        began_s, goal = loop.time(), self._workers.meter.acknowledged + ACKNOWLEDGED_MIN
        while loop.time() - began_s < PEACE_S_MIN or self._workers.meter.acknowledged < goal:
            if loop.time() - began_s > PEACE_S_MAX:
                return
            await asyncio.sleep(LOOK_S)

    async def _final_reads(self) -> None:
        try:
            await asyncio.gather(*(self._workers.read_back(name, READ_BACK_S) for name in self._stand.names))
        except QuorateError as error:
            raise Broken(f"A final read was not answered: {error.message}") from None
        problem = await self._stand.converge(self._observer, self._order.scenario.expect.converge_within_s)
        if problem:
            self._found.unconverged = problem
            return
        self._found.converged = await self._stand.replicas(self._observer)

    async def _phase(self, name: str, work: Coroutine[object, object, T]) -> T:
        self._tell(name)
        start_ms = self.now_ms()
        try:
            return await work
        finally:
            self._found.phases.append(Phase(name, start_ms, self.now_ms()))

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        """Do it, unless the proxy dies, or what works or watches in the background comes to an end."""
        working, looking = asyncio.ensure_future(work), asyncio.ensure_future(self._look())
        try:
            await asyncio.wait([working, looking], return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()
        finally:
            for task in (looking, working):
                if not task.done():
                    task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
        working.result()

    async def _look(self) -> None:
        while True:
            self._observer.check()
            self._workers.check()
            if self._observer.proxy_died_ms is not None:
                raise Broken(f"The fault proxy died at {self._observer.proxy_died_ms / 1_000:.1f} s; the nodes went on without their peers")
            await asyncio.sleep(LOOK_S)

    async def _judge(self) -> None:
        """The checkers, while the proxy still knows what became of the frames around a violation."""
        found = self._found
        self._tell("checking")
        try:
            found.checks = await checked(self._order.directory / HISTORY, self._order.budget)
            found.violation_ms = recording.violation_ms(found.checks)
            if found.violation_ms is not None:
                found.frames, found.missing = await self._stand.frames(found.violation_ms, self._began_ns)
        except asyncio.CancelledError:
            self._interrupted()
        except QuorateError as error:
            found.missing = f"The frames around the violation could not be had: {error.message}."

    @property
    def _command(self) -> str:
        order = self._order
        return command(order.word, self._stand.engine, order.seed, order.duration_s)

    def _stretch(self, name: str) -> tuple[float, float]:
        return next(((phase.start_ms, phase.end_ms) for phase in self._found.phases if phase.name == name), (0.0, 0.0))

    def _evidence(self) -> Evidence:
        found, meter, bands = self._found, self._workers.meter, self._strikes.bands
        cut = list(stretches(self._stand.names, bands, self._stretch("faults")))
        during = [stretch for stretch, is_faulty, is_sound in cut if is_faulty and is_sound]
        deadline_ms = self._order.scenario.expect.recover_within * self._stand.election_timeout_ms
        writes = [seen.returned_ms for seen in meter if seen.is_write and seen.outcome is Outcome.OK]
        return Evidence(
            checks=found.checks,
            bands=bands,
            drawn=frozenset(self._strikes.drawn),
            acknowledged_before=meter.acknowledged_within([self._stretch("before")]),
            acknowledged_during=meter.acknowledged_within(during),
            majority_ms=sum(end - start for start, end in during),
            acknowledged_after=meter.acknowledged_within([self._stretch("after")]),
            hot_key=self._order.scenario.load.hot > 0,
            stalls=tuple(stalls(writes, [stretch for stretch, _, is_sound in cut if is_sound], deadline_ms)),
            deadline_ms=deadline_ms,
            converged=found.converged,
            unconverged=found.unconverged,
            unhealed=found.unhealed,
            troubles=(*found.troubles, *self._strikes.troubles),
        )

    def _record(self) -> RunRecord:
        order, found, observer, meter = self._order, self._found, self._observer, self._workers.meter
        verdict, reasons = judge(self._evidence())
        bands = self._strikes.bands
        costs = recording.costs(meter, bands, observer, self._stretch("faults")[1])
        progress, truncations = recording.progress(observer)
        load = order.scenario.load
        found.facts |= {"clients": load.clients, "keys": load.keys, "rate, operations/s": load.rate, "hot share": load.hot}
        found.facts |= {"drawn faults that were not possible then": len(self._strikes.skipped)} if order.scenario.random else {}
        alone = single(self._stand.names, bands, costs, self._stretch("faults"))
        found.facts |= recording.recoveries(costs, alone, self._stand.election_timeout_ms)
        return RunRecord(
            name=order.scenario.name,
            engine=self._stand.engine,
            seed=order.seed,
            commit=source(),
            command=self._command,
            started=self._started,
            duration_ms=self._end_ms,
            nodes=self._stand.names,
            election_timeout_ms=self._stand.election_timeout_ms,
            modes=observer.modes,  # type: ignore[arg-type]  # the proxy's words are the record's
            calibration=found.calibration,
            verdict=verdict,
            reasons=reasons,
            phases=tuple(found.phases),
            faults=bands,
            buckets=meter.buckets(),
            roles=recording.roles(observer),
            progress=progress,
            reachability=tuple(observer.reachability),
            gaps=costs,
            counts=recording.counts(meter, bands, observer),
            convergence=found.converged,
            checks=found.checks,
            violation_ms=found.violation_ms,
            frames=found.frames,
            facts=found.facts,
            truncations=(*truncations, *([found.missing] if found.missing else [])),
        )
